package served

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Delayed is a proxy on the loopback that makes its connections as slow to
// answer as ones to a server that is far away.
type Delayed struct {
	listener net.Listener
	target   string
	rtt      time.Duration

	mu    sync.Mutex
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// Delay starts a proxy to target, host:port. What is sent arrives half the round
// trip later, in either direction, and as much as is sent: nothing waits for what
// went before. The handshake of TCP, which the loopback answers at once, is made
// up for: the client's first byte leaves one round trip after the connection was
// asked for, and the server's half of one later, since it learns of it so late.
func Delay(target string, rtt time.Duration) (*Delayed, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &Delayed{listener: listener, target: target, rtt: rtt, conns: map[net.Conn]bool{}}
	d.wait.Go(d.accept)
	return d, nil
}

// Addr returns host:port.
func (d *Delayed) Addr() string { return d.listener.Addr().String() }

// Close ends the proxy and its connections.
func (d *Delayed) Close() error {
	err := d.listener.Close()
	d.mu.Lock()
	for conn := range d.conns {
		_ = conn.Close()
	}
	d.conns = nil
	d.mu.Unlock()
	d.wait.Wait()
	return err
}

func (d *Delayed) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return // closed
		}
		d.wait.Go(func() { d.connect(client) })
	}
}

func (d *Delayed) connect(client net.Conn) {
	open := time.Now().Add(d.rtt)
	server, err := net.Dial("tcp", d.target)
	if err != nil {
		_ = client.Close()
		return
	}
	if !d.hold(client, server) {
		return
	}
	d.wait.Go(func() { d.carry(client, server, open) })
	d.carry(server, client, open.Add(d.rtt/2))
	d.drop(client, server)
}

// hold has Close close the connections, unless it has run already.
func (d *Delayed) hold(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		if d.conns == nil {
			_ = conn.Close()
			continue
		}
		d.conns[conn] = true
	}
	return d.conns != nil
}

func (d *Delayed) drop(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(d.conns, conn)
	}
}

// parcel is what was read, and when it arrives.
type parcel struct {
	due  time.Time
	body []byte
}

// onTheWay is how many parcels a connection may carry at a time.
const onTheWay = 4096

// carry takes what from sends, from the time open on, to to until one of them ends.
func (d *Delayed) carry(from, to net.Conn, open time.Time) {
	parcels := make(chan parcel, onTheWay)
	d.wait.Go(func() {
		defer close(parcels)
		for {
			body := make([]byte, 32<<10)
			n, err := from.Read(body)
			if n > 0 {
				sent := time.Now()
				if sent.Before(open) {
					sent = open
				}
				parcels <- parcel{sent.Add(d.rtt / 2), body[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range parcels {
		sleepUntil(p.due)
		if _, err := to.Write(p.body); err != nil {
			_ = from.Close() // ends the reader
		}
	}
	if end, ok := to.(*net.TCPConn); ok {
		if err := end.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
			_ = to.Close()
		}
	}
}
