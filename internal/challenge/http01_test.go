package challenge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/servertest"
)

// TestMain lets this test program play another process that holds a port.
func TestMain(m *testing.M) {
	if address := os.Getenv("CHALLENGE_TEST_HOLD"); address != "" {
		os.Exit(hold(address))
	}
	os.Exit(m.Run())
}

// hold listens until stdin ends.
func hold(address string) int {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func httpChallenge(token string) Challenge {
	return Challenge{
		Type: TypeHTTP01, Identifier: Identifier{Value: "www.example.test"},
		Token: token, KeyAuthorization: token + ".thumbprint",
	}
}

// ask sends one request and returns status and body.
func ask(t *testing.T, method, url string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

func accepts(t *testing.T, address string) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestHTTP01ShowsOnlyWhatIsPresented(t *testing.T) {
	address := servertest.FreeAddress(t)
	s := NewHTTP01(ListenOn(network.OS{}, address))
	c := httpChallenge("to-ken_1")
	if err := s.Present(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Asked(c):
		t.Error("asked before it was asked")
	default:
	}
	base := "http://" + address + "/.well-known/acme-challenge/"
	for _, tt := range []struct {
		method, url, body string
		status            int
	}{
		{"HEAD", base + c.Token, "", 200},
		{"POST", base + c.Token, "404 page not found\n", 404},
		{"GET", base + "another", "404 page not found\n", 404},
		{"GET", base, "404 page not found\n", 404},
		{"GET", base + c.Token + "/", "404 page not found\n", 404},
		{"GET", "http://" + address + "/" + c.Token, "404 page not found\n", 404},
		{"GET", "http://" + address + "//.well-known/acme-challenge/" + c.Token, "404 page not found\n", 404},
		{"GET", "http://" + address + "/", "404 page not found\n", 404},
	} {
		if status, body, _ := ask(t, tt.method, tt.url); status != tt.status || body != tt.body {
			t.Errorf("%s %s: got %d %q", tt.method, tt.url, status, body)
		}
	}
	select {
	case <-s.Asked(c):
		t.Error("asked, though nobody saw the answer")
	default:
	}
	status, body, header := ask(t, "GET", base+c.Token)
	if status != 200 || body != c.KeyAuthorization || header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("got %d %q %v", status, body, header)
	}
	<-s.Asked(c)
	if err := s.CleanUp(t.Context(), c); err != nil {
		t.Error(err)
	}
	if s.Asked(c) != nil {
		t.Error("still presented")
	}
}

func TestHTTP01IsBoundOnlyWhileNeeded(t *testing.T) {
	address := servertest.FreeAddress(t)
	s := NewHTTP01(ListenOn(network.OS{}, address))
	one, two := httpChallenge("one"), httpChallenge("two")
	steps := []struct {
		name  string
		do    func(context.Context, Challenge) error
		c     Challenge
		bound bool
	}{
		{"clean up before anything", s.CleanUp, one, false},
		{"present one", s.Present, one, true},
		{"present two", s.Present, two, true},
		{"present one again", s.Present, one, true},
		{"clean up one", s.CleanUp, one, true},
		{"clean up two", s.CleanUp, two, true},
		{"clean up what is not there", s.CleanUp, httpChallenge("three"), true},
		{"clean up one again", s.CleanUp, one, false},
		{"clean up once too often", s.CleanUp, one, false},
		{"present two again", s.Present, two, true},
		{"clean up two again", s.CleanUp, two, false},
	}
	for _, step := range steps {
		if err := step.do(t.Context(), step.c); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := accepts(t, address); got != step.bound {
			t.Fatalf("%s: bound %v", step.name, got)
		}
	}
}

// A connection that came in before the last CleanUp is not cut, and the port
// is free at once all the same.
func TestHTTP01LetsRequestsEnd(t *testing.T) {
	address := servertest.FreeAddress(t)
	s := NewHTTP01(ListenOn(network.OS{}, address))
	one, two := httpChallenge("one"), httpChallenge("two")
	if err := s.Present(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /.well-known/acme-challenge/one HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(t, "GET", "http://"+address+"/"); status != 404 { // so the first connection is accepted too
		t.Fatalf("got %d", status)
	}
	if err := s.CleanUp(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	again.Close()
	if err := s.Present(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "Host: www.example.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 404 ") {
		t.Errorf("got %q, %v", line, err) // it was taken away meanwhile
	}
	if err := s.CleanUp(t.Context(), two); err != nil {
		t.Fatal(err)
	}
}

func TestHTTP01RefusesWhatItCannotAnswer(t *testing.T) {
	s := NewHTTP01(func(context.Context) (net.Listener, error) {
		t.Error("a listener was opened")
		return nil, errors.ErrUnsupported
	})
	wildcard := httpChallenge("token")
	wildcard.Identifier.Wildcard = true
	for want, c := range map[error]Challenge{errToken: httpChallenge("../../etc/passwd"), errWildcard: wildcard} {
		if err := s.Present(t.Context(), c); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestPortTakenNamesItsOwner(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", ""} {
		t.Run("taken at "+host, func(t *testing.T) {
			cmd := exec.Command(executable)
			cmd.Env = append(os.Environ(), "CHALLENGE_TEST_HOLD="+host+":0", "GORACE=atexit_sleep_ms=0")
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				stdin.Close()
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			})
			_, port, err := net.SplitHostPort(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			err = NewHTTP01(ListenOn(network.OS{}, ":"+port)).Present(t.Context(), httpChallenge("token"))
			failure, ok := errors.AsType[*Error](err)
			if !ok || failure.Code != plan.CodePortTaken || failure.Hint == "" {
				t.Fatalf("got %v", err)
			}
			if want := fmt.Sprintf("(process %d)", cmd.Process.Pid); !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %s", err, want)
			}
			t.Log(err)
		})
	}
}

func TestPortTakenByOurselves(t *testing.T) {
	address := servertest.FreeAddress(t)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := portOwner(address); got != "this process itself" {
		t.Errorf("got %q", got)
	}
	if got := portOwner("nonsense"); got != somebody {
		t.Errorf("got %q", got)
	}
}

func TestListenersOfProc(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0200007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
   4: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
   5: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16 1 0 100 0 0 10 0
   6: broken
`
	for address, want := range map[string]string{"::": "11 12 13 16", "127.0.0.1": "11 12", "::ffff:127.0.0.1": "11 12", "::1": "12 16", "192.0.2.1": "12"} {
		if got := strings.Join(listeners(table, mustAddr(t, address), 80), " "); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestListenErrors(t *testing.T) {
	for code, address := range map[plan.Code]string{plan.CodeChallenge: "192.0.2.1:0"} {
		_, err := ListenOn(network.OS{}, address)(t.Context())
		if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != code || failure.Hint == "" {
			t.Errorf("%s: got %v", address, err)
		}
	}
	err := listenError(":80", os.NewSyscallError("bind", os.ErrPermission))
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code == plan.CodePortTaken {
		t.Errorf("got %v", err)
	}
}

// stuck is a listener that breaks.
type stuck struct{ net.Listener }

var errStuck = errors.New("stuck")

func (stuck) Accept() (net.Conn, error) { return nil, errStuck }
func (stuck) Close() error              { return nil }
func (stuck) Addr() net.Addr            { return &net.TCPAddr{} }

func TestBrokenListener(t *testing.T) {
	opened := 0
	listen := func(context.Context) (net.Listener, error) { opened++; return stuck{}, nil }
	for name, s := range map[string]Solver{"http-01": NewHTTP01(listen), "tls-alpn-01": NewTLSALPN01(listen)} {
		synctest.Test(t, func(t *testing.T) {
			opened = 0
			one, two := httpChallenge("one"), httpChallenge("two")
			if err := s.Present(t.Context(), one); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.Present(t.Context(), two); err != nil || opened != 2 {
				t.Errorf("%s: opened %d times, %v", name, opened, err)
			}
			synctest.Wait()
			if err := s.CleanUp(t.Context(), one); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := s.CleanUp(t.Context(), two); !errors.Is(err, errStuck) {
				t.Errorf("%s: got %v", name, err)
			}
			if err := s.Present(t.Context(), one); err != nil || opened != 3 {
				t.Errorf("%s: opened %d times, %v", name, opened, err)
			}
			synctest.Wait()
			if err := s.CleanUp(t.Context(), one); !errors.Is(err, errStuck) {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}
