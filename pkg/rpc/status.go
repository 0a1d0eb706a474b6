package rpc

import (
	"strings"

	"google.golang.org/grpc/codes"
)

// CodeName returns the name of a code as the protocol writes it, such as
// DEADLINE_EXCEEDED.
func CodeName(c codes.Code) string {
	if c == codes.Canceled {
		return "CANCELLED" // Go spells it with one L
	}
	var name strings.Builder
	for i, r := range c.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && c != codes.OK {
			name.WriteByte('_')
		}
		name.WriteRune(r)
	}
	return strings.ToUpper(name.String())
}
