package spool_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/spool"
)

// In any order of appending, marking, removing and opening again, the spool
// equals a map.
func TestTheSpoolIsAMap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		s := open(t, dir)
		defer func() { _ = s.Close() }()
		model := make(map[uint64]spool.Entry)
		next := uint64(1)
		known := func(r *rapid.T) uint64 {
			var all []uint64
			for id := range model {
				all = append(all, id)
			}
			if len(all) == 0 {
				r.Skip("empty")
			}
			slices.Sort(all)
			return rapid.SampledFrom(all).Draw(r, "id")
		}
		r.Repeat(map[string]func(*rapid.T){
			"append": func(r *rapid.T) {
				var batch []spool.Entry
				for range rapid.IntRange(1, 4).Draw(r, "n") {
					e := entries().Draw(r, "entry")
					e.ID = next
					next++
					batch = append(batch, e)
					model[e.ID] = e
				}
				must(t, s.Append(batch...))
			},
			"mark": func(r *rapid.T) {
				id := known(r)
				must(t, s.Mark(id))
				e := model[id]
				e.State = spool.MaybeStored
				model[id] = e
			},
			"remove": func(r *rapid.T) {
				id := known(r)
				must(t, s.Remove(id))
				delete(model, id)
				if err := s.Remove(id); !errors.Is(err, spool.ErrNoEntry) {
					r.Errorf("removed twice: %v", err)
				}
			},
			"open again": func(*rapid.T) {
				must(t, s.Close())
				s = open(t, dir)
			},
			"": func(r *rapid.T) { equals(r, s, model) },
		})
	})
}

func equals(r *rapid.T, s *spool.Spool, model map[uint64]spool.Entry) {
	list := s.List()
	if len(list) != len(model) || len(s.Damage()) > 0 {
		r.Fatalf("%d entries, want %d; damage %v", len(list), len(model), s.Damage())
	}
	last := uint64(0)
	for _, info := range list {
		if info.ID <= last {
			r.Fatalf("out of order: %v", list)
		}
		last = info.ID
		got, err := s.Get(info.ID)
		want := model[info.ID]
		if err != nil || !got.Since.Equal(want.Since) {
			r.Fatalf("entry %d: %v, since %v, want %v", info.ID, err, got.Since, want.Since)
		}
		got.Since = want.Since
		if !reflect.DeepEqual(got, want) {
			r.Fatalf("got %#v, want %#v", got, want)
		}
	}
}

func entries() *rapid.Generator[spool.Entry] {
	bytesOrNil := rapid.Custom(func(r *rapid.T) []byte {
		if rapid.Bool().Draw(r, "nil") {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "bytes")
	})
	header := rapid.Custom(func(r *rapid.T) kgo.RecordHeader {
		return kgo.RecordHeader{Key: rapid.String().Draw(r, "name"), Value: bytesOrNil.Draw(r, "header")}
	})
	return rapid.Custom(func(r *rapid.T) spool.Entry {
		e := spool.Entry{
			State: rapid.SampledFrom([]spool.State{spool.Waiting, spool.MaybeStored}).Draw(r, "state"),
			Since: time.Unix(0, rapid.Int64().Draw(r, "since")),
			Topic: rapid.String().Draw(r, "topic"), Key: bytesOrNil.Draw(r, "key"), Value: bytesOrNil.Draw(r, "value"),
		}
		if h := rapid.SliceOfN(header, 0, 3).Draw(r, "headers"); len(h) > 0 {
			e.Headers = h
		}
		return e
	})
}

// A crash at any byte of what is written leaves a prefix of the entries.
func TestACrashLeavesAPrefix(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	sizes := []int64{0}
	for id := range uint64(4) {
		must(t, s.Append(entry(id+1, strings.Repeat("v", int(id)))))
		info, err := os.Stat(segments(t, dir, ".spool")[0])
		must(t, err)
		sizes = append(sizes, info.Size())
	}
	whole, err := os.ReadFile(segments(t, dir, ".spool")[0])
	must(t, err)
	must(t, s.Close())
	for cut := range len(whole) {
		torn := t.TempDir()
		must(t, os.WriteFile(filepath.Join(torn, "0000000000000001.spool"), whole[:cut], 0o600))
		s := open(t, torn)
		want := 0
		for want+1 < len(sizes) && sizes[want+1] <= int64(cut) {
			want++
		}
		onBoundary := cut == 16 || slices.Contains(sizes[1:], int64(cut))
		damage := s.Damage()
		if len(s.List()) != want || (len(damage) == 0) != onBoundary || len(damage) == 1 && !damage[0].Torn {
			t.Fatalf("cut at %d of %d: %s, want %d entries; damage %v", cut, len(whole), ids(s), want, damage)
		}
		must(t, s.Append(entry(99, "new")))
		if _, err := s.Get(99); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		must(t, s.Close())
	}
}

// A byte that changed is noticed, costs one entry at most, and the file is kept
// unless the byte is a state.
func TestAChangedByte(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Append(entry(1, "one"), entry(2, "two"), entry(3, "three")))
	must(t, s.Close())
	whole, err := os.ReadFile(segments(t, dir, ".spool")[0])
	must(t, err)
	for at := 16; at < len(whole); at++ {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		hurt := t.TempDir()
		must(t, os.WriteFile(filepath.Join(hurt, "0000000000000001.spool"), flipped, 0o600))
		s := open(t, hurt)
		list := s.List()
		for _, info := range list {
			e, err := s.Get(info.ID)
			if err != nil || string(e.Value) != []string{"one", "two", "three"}[info.ID-1] {
				t.Fatalf("byte %d: entry %d is %q %v", at, info.ID, e.Value, err)
			}
		}
		if isState := len(s.Damage()) == 0; isState && (len(list) != 3 || !strings.Contains(ids(s), "M")) || !isState && len(list) != 2 {
			t.Fatalf("byte %d: %s, damage %v", at, ids(s), s.Damage())
		}
		torn := len(s.Damage()) == 1 && s.Damage()[0].Torn
		for _, info := range list {
			must(t, s.Remove(info.ID))
		}
		if kept := len(segments(t, hurt, ".damaged")) == 1; kept != (len(list) == 2 && !torn) {
			t.Fatalf("byte %d: the damaged file is kept: %t", at, kept)
		}
		must(t, s.Close())
	}
}

func TestFilesGoWithTheirEntries(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Append(entry(1, "one"), entry(2, "two")))
	for _, path := range append(segments(t, dir, ".spool"), filepath.Join(dir, "lock")) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	must(t, s.Remove(1, 2))
	if left := segments(t, dir, ".spool"); len(left) > 0 || s.Stats() != (spool.Stats{}) {
		t.Errorf("left %v, %+v", left, s.Stats())
	}
	must(t, s.Append(entry(1, "again")))
	if err := s.Append(entry(2, "x"), entry(1, "twice")); err == nil || ids(s) != "[1W]" {
		t.Errorf("got %v, %s", err, ids(s))
	}
	must(t, s.Close())
	must(t, s.Close())
	if err := s.Append(entry(3, "late")); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestFullIsSaidAndTidiedUp(t *testing.T) {
	const bound = 64 << 10
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{MaxBytes: bound})
	must(t, err)
	defer s.Close()
	value := strings.Repeat("v", 1000)
	id := uint64(1)
	for ; err == nil; id++ {
		err = s.Append(entry(id, value))
	}
	if !errors.Is(err, spool.ErrFull) || s.Stats().Bytes > bound || id < 50 {
		t.Fatalf("after %d: %v, %+v", id, err, s.Stats())
	}
	if got := len(s.List()); uint64(got) != id-2 {
		t.Errorf("%d entries, want %d", got, id-2)
	}
	// One of each segment stays, as one that cannot be sent would.
	for _, info := range s.List() {
		if info.ID%7 != 0 {
			must(t, s.Remove(info.ID))
		}
	}
	stuck := ids(s)
	for range 30 {
		must(t, s.Append(entry(id, value)))
		must(t, s.Remove(id))
		id++
	}
	must(t, s.Append(entry(id, value)))
	must(t, s.Remove(id))
	if ids(s) != stuck {
		t.Errorf("got %s, want %s", ids(s), stuck)
	}
	must(t, s.Close())
	if s = open(t, dir); ids(s) != stuck || len(s.Damage()) > 0 {
		t.Errorf("opened again: %s, want %s; %v", ids(s), stuck, s.Damage())
	}
}

// What a crash while tidying up leaves twice is there once.
func TestAnEntryThatStandsTwice(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Append(entry(1, "one")))
	text, err := os.ReadFile(segments(t, dir, ".spool")[0])
	must(t, err)
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, "0000000000000009.spool"), text, 0o600))
	s = open(t, dir)
	must(t, s.Remove(1))
	must(t, s.Close())
	s = open(t, dir)
	defer s.Close()
	if ids(s) != "[]" || len(segments(t, dir, ".spool")) > 0 {
		t.Errorf("it came back: %s", ids(s))
	}
}

// Whatever stands in a segment, reading it ends, and what it yields can be read
// and removed.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir)
	must(f, s.Append(entry(1, "one"), entry(2, "two")))
	must(f, s.Mark(2))
	text, err := os.ReadFile(segments(f, dir, ".spool")[0])
	must(f, err)
	must(f, s.Close())
	f.Add(text)
	f.Add(text[:len(text)-3])
	f.Add(append(text, text[16:]...))
	f.Add([]byte("suospl\x00\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "0000000000000001.spool"), text, 0o600))
		s := open(t, dir)
		for _, info := range s.List() {
			e, err := s.Get(info.ID)
			if err != nil || e.ID != info.ID || e.Topic != info.Topic {
				t.Fatalf("entry %d: %+v %v", info.ID, e, err)
			}
			must(t, s.Remove(info.ID))
		}
		must(t, s.Close())
		if left := segments(t, dir, ".spool"); len(left) > 0 {
			t.Fatalf("left %v", left)
		}
	})
}
