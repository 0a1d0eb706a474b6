package rpc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes on the command line, such as 64MiB, 10MB or 4096.
type byteSize int

var units = []struct {
	name  string
	bytes float64
}{
	{"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10},
	{"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3},
	{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1},
}

// Set reads a number with a unit, which may be left out for bytes. The short
// units k, m and g are powers of 1024.
func (s *byteSize) Set(text string) error {
	number, factor := strings.ToLower(strings.TrimSpace(text)), 1.0
	for _, unit := range units {
		if rest, found := strings.CutSuffix(number, unit.name); found {
			number, factor = strings.TrimSpace(rest), unit.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if n *= factor; err != nil || math.IsNaN(n) || n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("%q is no size from 1 to %d bytes, such as 64MiB", text, math.MaxInt32)
	}
	*s = byteSize(n)
	return nil
}

func (s *byteSize) String() string { return strconv.Itoa(int(*s)) }

// Type names the value in help.
func (s *byteSize) Type() string { return "size" }
