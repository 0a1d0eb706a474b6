package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/suokelife/suokectl/pkg/events/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{})
	must(t, err)
	return s
}

func entry(id uint64, value string) spool.Entry {
	return spool.Entry{
		ID: id, State: spool.Waiting, Since: time.Unix(1, int64(id)), Topic: "dev.a.b.v1", Key: []byte("k"), Value: []byte(value),
		Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h"}, {Key: "", Value: []byte{}}},
	}
}

// segments are the paths of the segment files.
func segments(t testing.TB, dir, suffix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	must(t, err)
	return files
}

func ids(s *spool.Spool) string {
	var list []string
	for _, info := range s.List() {
		list = append(list, fmt.Sprintf("%d%c", info.ID, info.State))
	}
	return fmt.Sprint(list)
}

// Example keeps an event, and finds it again after a crash.
func Example() {
	dir, err := os.MkdirTemp("", "spool-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.Append(spool.Entry{ID: 1, State: spool.Waiting, Topic: "dev.auth-service.user-registered.v1", Value: []byte(`{"meta":{}}`)})
	fmt.Println("kept:", err == nil)
	_, err = spool.Open(dir, spool.Options{})
	fmt.Println("in use:", errors.Is(err, spool.ErrInUse))
	fmt.Println(s.Close())

	s, err = spool.Open(dir, spool.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for _, info := range s.List() {
		fmt.Println(info.ID, info.Topic, info.State == spool.Waiting)
	}
	// Output:
	// kept: true
	// in use: true
	// <nil>
	// 1 dev.auth-service.user-registered.v1 true
}
