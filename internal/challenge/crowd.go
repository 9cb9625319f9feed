package challenge

import (
	"container/list"
	"net"
	"sync"
)

// maxVisitors bounds the connections that a listener has at a time.
const maxVisitors = 512

// crowd is a listener that turns nobody away, and shows its oldest visitor
// out when there is one too many. A CA asks at once and leaves, so those who
// stay are others; were they let be, they would keep the CA waiting outside,
// or use up what the whole process has.
type crowd struct {
	net.Listener

	mu     sync.Mutex
	inside list.List // of *visitor, the oldest first
}

// Accept returns the next connection.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v := &visitor{Conn: conn, crowd: c}
	if oldest := c.enter(v); oldest != nil {
		_ = oldest.Close() // whoever serves it sees the end
	}
	return v, nil
}

// enter counts a visitor, and returns the one who has to go for it.
func (c *crowd) enter(v *visitor) *visitor {
	c.mu.Lock()
	defer c.mu.Unlock()
	v.place = c.inside.PushBack(v)
	if c.inside.Len() <= maxVisitors {
		return nil
	}
	oldest, _ := c.inside.Remove(c.inside.Front()).(*visitor)
	return oldest
}

// visitor is a connection that is counted.
type visitor struct {
	net.Conn
	crowd *crowd
	place *list.Element // guarded by crowd.mu
}

// Close ends the connection.
func (v *visitor) Close() error {
	v.crowd.mu.Lock()
	v.crowd.inside.Remove(v.place) // nothing where it is out already
	v.crowd.mu.Unlock()
	return v.Conn.Close()
}

// CloseWrite lets http.Server say goodbye before it closes, so that what it
// wrote is not lost where something of the request was left unread.
func (v *visitor) CloseWrite() error {
	if half, ok := v.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
