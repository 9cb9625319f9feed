package acmetest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"
)

// Mishap is what a Chaos does to a connection, a piece of its bytes, or a
// request.
type Mishap string

// The mishaps.
const (
	Refused    Mishap = "refused"    // the connection is reset before its first byte
	Delayed    Mishap = "delayed"    // a piece comes some milliseconds later
	Shredded   Mishap = "shredded"   // a piece comes in many small ones
	Truncated  Mishap = "truncated"  // half of a piece comes, and then the end
	Duplicated Mishap = "duplicated" // a piece comes twice
	Reset      Mishap = "reset"      // the connection is reset in the middle of a piece
	Repeated   Mishap = "repeated"   // a whole request reaches the CA twice, and the second answer counts
	Unanswered Mishap = "unanswered" // a request is carried out and the connection cut
)

// The chances, in percent: of a connection, of a piece of up to pieceSize
// bytes in one direction, of a request.
const (
	chanceRefused    = 10
	chanceDelayed    = 10
	chanceShredded   = 10
	chanceTruncated  = 2
	chanceDuplicated = 2
	chanceReset      = 2
	chanceRepeated   = 10
	chanceUnanswered = 5

	pieceSize   = 4 << 10
	longestWait = 20 * time.Millisecond
)

// Chaos is a bad network before a CA, with an address of its own. What it does
// to the n-th connection, to the n-th piece in each direction of it, and to the
// n-th request follows from the seed alone.
type Chaos struct {
	ca       *CA
	seed     uint64
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	conns    map[net.Conn]bool
	opened   uint64
	asked    uint64
	calm     bool
	mishaps  map[Mishap]int
	shutting bool
}

// Disturb puts a bad network before the CA until Close. It takes the place of
// an Interceptor; requests that come to the CA's own address suffer only what
// happens to whole requests.
func (ca *CA) Disturb(seed uint64) (*Chaos, error) {
	listener, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return nil, fmt.Errorf("start a bad network: %w", err)
	}
	c := &Chaos{ca: ca, seed: seed, listener: listener, conns: map[net.Conn]bool{}, mishaps: map[Mishap]int{}}
	ca.Intercept(c.request)
	c.running.Go(c.serve)
	return c, nil
}

// DirectoryURL is where an ACME client begins that is to suffer. All URLs that
// the CA gives it lead through the bad network.
func (c *Chaos) DirectoryURL() string {
	return "https://" + c.listener.Addr().String() + pathDirectory
}

// Calm ends the mishaps; connections still pass.
func (c *Chaos) Calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calm = true
}

// Mishaps counts what happened.
func (c *Chaos) Mishaps() map[Mishap]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.mishaps)
}

// Close ends every connection and waits for what serves them. It may be called
// again.
func (c *Chaos) Close() error {
	c.ca.Intercept(nil)
	c.mu.Lock()
	var err error
	if !c.shutting {
		err = c.listener.Close()
	}
	c.shutting = true
	for conn := range c.conns {
		_ = conn.Close() // its own end may have closed it
	}
	c.mu.Unlock()
	c.running.Wait()
	return err
}

// happens draws one of some mishaps, and counts it; "" is none.
func (c *Chaos) happens(dice *rand.Rand, chances ...chance) Mishap {
	roll := dice.IntN(100)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range chances {
		if roll -= ch.percent; roll < 0 && !c.calm {
			c.mishaps[ch.of]++
			return ch.of
		}
	}
	return ""
}

// chance is how often a mishap comes, in percent.
type chance struct {
	of      Mishap
	percent int
}

// serve takes connections until the listener is closed.
func (c *Chaos) serve() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.mu.Lock()
		n := c.opened
		c.opened++
		c.mu.Unlock()
		c.running.Go(func() { c.carry(conn, n) })
	}
}

// carry connects one client with the CA, until either ends it.
func (c *Chaos) carry(client net.Conn, n uint64) {
	defer c.end(client)
	dice := rand.New(rand.NewPCG(c.seed, 3*n))
	if !c.begin(client) || c.happens(dice, chance{Refused, chanceRefused}) != "" {
		cut(client)
		return
	}
	address, err := url.Parse(c.ca.proxy.url)
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", address.Host)
	if err != nil {
		return
	}
	defer c.end(server)
	if !c.begin(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.pipe(server, client, rand.New(rand.NewPCG(c.seed, 3*n+1))) })
	both.Go(func() { c.pipe(client, server, rand.New(rand.NewPCG(c.seed, 3*n+2))) })
	both.Wait()
}

// begin takes note of a connection; it is not to be used where the network
// has been closed meanwhile.
func (c *Chaos) begin(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[conn] = true
	return !c.shutting
}

// end closes a connection, which may have been closed before.
func (c *Chaos) end(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	_ = conn.Close()
}

// cut resets a connection: the other side sees no orderly end.
func cut(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may be closed already, which is as good
	}
	_ = conn.Close()
}

// pipe carries bytes in one direction, piece by piece. With it the whole
// connection ends.
func (c *Chaos) pipe(to, from net.Conn, dice *rand.Rand) {
	defer to.Close()
	defer from.Close()
	piece := make([]byte, pieceSize)
	for {
		n, err := from.Read(piece)
		if n > 0 && !c.write(to, from, piece[:n], dice) || err != nil {
			return
		}
	}
}

// write carries one piece, and reports whether the connection goes on.
func (c *Chaos) write(to, from net.Conn, piece []byte, dice *rand.Rand) bool {
	half := len(piece) / 2
	var err error
	switch c.happens(dice, chance{Delayed, chanceDelayed}, chance{Shredded, chanceShredded}, chance{Truncated, chanceTruncated}, chance{Duplicated, chanceDuplicated}, chance{Reset, chanceReset}) {
	case Delayed:
		time.Sleep(time.Duration(dice.Int64N(int64(longestWait))))
		_, err = to.Write(piece)
	case Shredded:
		for len(piece) > 0 && err == nil {
			n := min(len(piece), 1+dice.IntN(200))
			_, err = to.Write(piece[:n])
			piece = piece[n:]
		}
	case Truncated:
		_, _ = to.Write(piece[:half]) // the end follows anyway
		return false
	case Duplicated:
		_, err = to.Write(append(piece[:len(piece):len(piece)], piece...))
	case Reset:
		_, _ = to.Write(piece[:half]) // the end follows anyway
		cut(to)
		cut(from)
		return false
	default:
		_, err = to.Write(piece)
	}
	return err == nil
}

// request is an Interceptor: it disturbs whole requests.
func (c *Chaos) request(w http.ResponseWriter, r *http.Request, next http.Handler) {
	c.mu.Lock()
	n := c.asked
	c.asked++
	c.mu.Unlock()
	dice := rand.New(rand.NewPCG(c.seed, ^n))
	switch c.happens(dice, chance{Repeated, chanceRepeated}, chance{Unanswered, chanceUnanswered}) {
	case Repeated:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // whoever asked has gone
		}
		first := r.Clone(r.Context())
		first.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(httptest.NewRecorder(), first)
		r.Body = io.NopCloser(bytes.NewReader(body))
	case Unanswered:
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	next.ServeHTTP(w, r)
}
