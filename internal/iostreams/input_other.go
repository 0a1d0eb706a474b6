//go:build !unix

package iostreams

import (
	"context"
	"io"
)

const canAwait = false

func awaitInput(context.Context, io.Reader) bool { return false }
