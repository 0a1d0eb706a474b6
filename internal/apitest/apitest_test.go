package apitest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/internal/apitest"
)

func TestListing(t *testing.T) {
	got, err := apitest.Listing("testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"const Limit = 3\n", "var ErrA error\n", "\tA int\n\tLonger string\n", "func New() *T\n", "func (t *T) B() int\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is missing from\n%s", want, got)
		}
	}
	for _, never := range []string{"hidden", "c()", "comment", "is shown", "\n\n", "return"} {
		if strings.Contains(string(got), never) {
			t.Errorf("%q is in\n%s", never, got)
		}
	}
}

// recorder is a testing.TB whose failures can be read.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said += fmt.Sprintf(format, args...) }

func TestGoldenTellsWhatChanged(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "p.go")
	write := func(text string) {
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("package p\n\nfunc Old() {}\n\nfunc Same() {}\n")
	apitest.Golden(t, dir, true)
	apitest.Golden(t, dir, false)
	write("package p\n\nfunc New() {}\n\nfunc Same() {}\n")
	r := &recorder{TB: t}
	apitest.Golden(r, dir, false)
	if !strings.Contains(r.said, "- func Old()\n+ func New()\n") || strings.Contains(r.said, "Same") {
		t.Errorf("said %q", r.said)
	}
}

func TestListingOfNothing(t *testing.T) {
	if _, err := apitest.Listing(t.TempDir()); err == nil {
		t.Error("an empty folder has an API")
	}
}
