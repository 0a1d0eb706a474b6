//go:build unix

package conformance

import (
	"net"
	"sync"
	"testing"
	"time"
)

// spoiler is a TCP proxy that spoils what goes through it as it is told.
type spoiler struct {
	listener *net.TCPListener
	target   string
	running  sync.WaitGroup // accept and the pumps

	mu      sync.Mutex
	moved   *sync.Cond // paused or closed
	links   map[*link]bool
	late    time.Duration
	cut     int // bytes of an answer after which its connection is cut; 0 is never
	paused  bool
	refuses bool
	closed  bool
	touched int // how often the present fault was felt
}

// link is one connection through the proxy.
type link struct{ client, server *net.TCPConn }

func newSpoiler(t *testing.T, target string) *spoiler {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &spoiler{listener: listener, target: target, links: map[*link]bool{}}
	s.moved = sync.NewCond(&s.mu)
	s.running.Go(s.serve)
	t.Cleanup(s.close)
	return s
}

func (s *spoiler) Addr() string { return s.listener.Addr().String() }

func (s *spoiler) serve() {
	for {
		client, err := s.listener.AcceptTCP()
		if err != nil {
			return // closed
		}
		if l := s.join(client); l != nil {
			both := sync.WaitGroup{}
			both.Go(func() { s.pump(l.client, l.server, false) })
			both.Go(func() { s.pump(l.server, l.client, true) })
			s.running.Go(func() { both.Wait(); s.forget(l) })
		}
	}
}

// join connects a client onward, unless it is to be refused or there is nobody.
func (s *spoiler) join(client *net.TCPConn) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses || s.closed {
		s.touched++
		cutOff(client)
		return nil
	}
	server, err := net.DialTimeout("tcp", s.target, time.Second)
	if err != nil {
		cutOff(client)
		return nil
	}
	l := &link{client: client, server: server.(*net.TCPConn)}
	s.links[l] = true
	return l
}

func (s *spoiler) forget(l *link) {
	_, _ = l.client.Close(), l.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

func (s *spoiler) pump(from, to *net.TCPConn, answers bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		late, cut := s.meet(n > 0, answers)
		time.Sleep(late) // the fault itself
		if answers && cut > 0 && n > cut {
			_, _ = to.Write(buffer[:cut])
			cutOff(from)
			cutOff(to)
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.CloseRead()
				return
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// meet lets what is read meet the present fault.
func (s *spoiler) meet(something, answers bool) (late time.Duration, cut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if something && (s.paused || answers && (s.late > 0 || s.cut > 0)) { // a question that stands still has no answer
		s.touched++
	}
	for s.paused && !s.closed {
		s.moved.Wait()
	}
	return s.late, s.cut
}

// set changes the fault.
func (s *spoiler) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = 0
	change()
	s.moved.Broadcast()
}

func (s *spoiler) delay(late time.Duration) { s.set(func() { s.late = late }) }
func (s *spoiler) cutAfter(bytes int)       { s.set(func() { s.cut = bytes }) }
func (s *spoiler) pause()                   { s.set(func() { s.paused = true }) }
func (s *spoiler) resume()                  { s.set(func() { s.paused = false }) }
func (s *spoiler) accept()                  { s.set(func() { s.refuses = false }) }

// refuse resets all connections, and new ones at once.
func (s *spoiler) refuse() {
	s.reset()
	s.set(func() { s.refuses = true })
}

func (s *spoiler) reset()           { s.each(func(l *link) { cutOff(l.client); cutOff(l.server) }) }
func (s *spoiler) closeFromServer() { s.each(func(l *link) { _ = l.client.CloseWrite() }) }
func (s *spoiler) closeFromClient() { s.each(func(l *link) { _ = l.server.CloseWrite() }) }

func (s *spoiler) each(do func(*link)) {
	s.set(func() {
		for l := range s.links {
			do(l)
			s.touched++
		}
	})
}

// cutOff closes a connection with a reset.
func cutOff(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// open is how many connections lead through the proxy.
func (s *spoiler) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// awaitTouched waits until somebody has felt the present fault.
func (s *spoiler) awaitTouched(t *testing.T, fault string) {
	t.Helper()
	eventually(t, "nobody felt that "+fault, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.touched > 0
	})
}

// awaitOpen waits until that many connections are open.
func (s *spoiler) awaitOpen(t *testing.T, want int) {
	t.Helper()
	eventually(t, "another number of connections stays open than is right", func() bool { return s.open() == want })
}

// eventually asks until it is so, for 10 s.
func eventually(t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// close cuts every connection and waits for all that runs. It may be called twice.
func (s *spoiler) close() {
	_ = s.listener.Close()
	s.set(func() { s.closed = true })
	s.reset()
	s.running.Wait()
}
