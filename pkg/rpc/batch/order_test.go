package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// Whatever the order in which results come, that of the output is that of the
// places, and no more of them than the window are given away ahead of it.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		window := rapid.IntRange(1, 9).Draw(t, "window")
		o := newOrder(&out, window)
		var open []int
		var want strings.Builder
		for n := rapid.IntRange(0, 60).Draw(t, "results"); n > 0 || len(open) > 0; {
			if n > 0 && !o.full() && rapid.Bool().Draw(t, "reserve") || len(open) == 0 {
				place, ok := o.reserve(context.Background())
				if !ok || len(open) >= window {
					t.Fatalf("place %d, ok %v, while %v are open", place, ok, open)
				}
				open = append(open, place)
				fmt.Fprintf(&want, "%d\n", place)
				n--
				continue
			}
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which ends")
			if err := o.put(open[i], fmt.Appendf(nil, "%d\n", open[i])); err != nil {
				t.Fatal(err)
			}
			open = slices.Delete(open, i, i+1)
		}
		if err := o.finish(); err != nil || out.String() != want.String() {
			t.Fatalf("%v, %q, want %q", err, &out, &want)
		}
	})
}

func TestAPlaceIsWaitedFor(t *testing.T) {
	for name, fill := range map[string]func(*order){
		"lines": func(o *order) { o.reserve(t.Context()) },
		"bytes": func(o *order) { _ = o.put(1, make([]byte, maxHeld+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOrder(io.Discard, 3)
				o.reserve(t.Context())
				o.reserve(t.Context())
				fill(o)
				places := make(chan int)
				go func() {
					place, _ := o.reserve(t.Context())
					places <- place
				}()
				synctest.Wait()
				select {
				case place := <-places:
					t.Errorf("place %d is given away", place)
				default:
				}
				if err := o.put(0, nil); err != nil {
					t.Error(err)
				}
				<-places
			})
		})
	}
}

func TestThatWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder(io.Discard, 1)
		o.reserve(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan bool)
		go func() { _, ok := o.reserve(ctx); given <- ok }()
		synctest.Wait()
		cancel()
		if <-given {
			t.Error("there was no place to give")
		}
	})
}

func TestAnOrderWithGaps(t *testing.T) {
	var out bytes.Buffer
	o := newOrder(&out, 10)
	for range 5 {
		o.reserve(t.Context())
	}
	for _, place := range []int{4, 0, 2} {
		if err := o.put(place, fmt.Appendf(nil, "%d", place)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.finish(); err != nil || out.String() != "024" {
		t.Errorf("%q, %v", &out, err)
	}
}

func TestWriteErrorsStay(t *testing.T) {
	o := newOrder(full{}, 10)
	o.reserve(t.Context())
	_ = o.put(0, []byte("0\n"))
	if err := o.flush(); !errors.Is(err, errFull) {
		t.Errorf("flush: %v", err)
	}
	o.reserve(t.Context())
	if err := o.put(1, []byte("1\n")); !errors.Is(err, errFull) {
		t.Errorf("put: %v", err)
	}
}

var errFull = errors.New("full")

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
