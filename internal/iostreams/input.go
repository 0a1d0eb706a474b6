package iostreams

import (
	"context"
	"io"
)

// Until makes reads of In fail with the cause of ctx when that ends, as it does
// at Ctrl-C: a read from a terminal, or from a pipe whose writer is silent, cannot
// be given up by itself. One that is left behind ends with the process.
func (s *IOStreams) Until(ctx context.Context) { s.In = &input{ctx: ctx, in: s.stdin()} }

// stdin is In without the end that Until gave it.
func (s *IOStreams) stdin() io.Reader {
	if ending, ok := s.In.(*input); ok {
		return ending.in
	}
	return s.In
}

// maxRead bounds a read.
const maxRead = 64 << 10

type input struct {
	ctx    context.Context //nolint:containedctx // an io.Reader takes none
	in     io.Reader
	buffer []byte // of its own, since p is the caller's again when a read is left behind
}

func (i *input) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	p = p[:min(len(p), maxRead)]
	if len(i.buffer) < len(p) {
		i.buffer = make([]byte, len(p))
	}
	buffer, n, err, done := i.buffer[:len(p)], 0, error(nil), make(chan struct{})
	go func() {
		n, err = i.in.Read(buffer)
		close(done)
	}()
	select {
	case <-done:
		return copy(p, buffer[:n]), err
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}
