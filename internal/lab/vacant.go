package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// vacant is an address where nothing listens, nor can as long as it is held: the
// near end of a connection. A port that is merely given back may be taken by any
// process meanwhile.
type vacant struct {
	listener  net.Listener
	near, far net.Conn
}

func holdVacant(ctx context.Context) (*vacant, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("hold a port where nothing listens: %w", err)
	}
	v := &vacant{listener: listener}
	if v.near, err = (&net.Dialer{}).DialContext(ctx, "tcp", listener.Addr().String()); err != nil {
		return nil, errors.Join(fmt.Errorf("hold a port where nothing listens: %w", err), v.Close())
	}
	if v.far, err = listener.Accept(); err != nil {
		return nil, errors.Join(fmt.Errorf("hold a port where nothing listens: %w", err), v.Close())
	}
	return v, nil
}

func (v *vacant) Addr() string { return v.near.LocalAddr().String() }

// Close gives the port back.
func (v *vacant) Close() error {
	err := v.listener.Close()
	for _, conn := range []net.Conn{v.near, v.far} {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	return err
}
