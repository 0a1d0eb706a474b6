//go:build unix

package spool_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/suokelife/suokectl/pkg/events/spool"
)

// fullDiskEnv makes the test's binary be the child that fills the disk.
const fullDiskEnv = "SPOOL_TEST_FULL_DISK"

// The disk is full: a child may write files of a few kilobytes only.
func TestADiskThatIsFull(t *testing.T) {
	if dir := os.Getenv(fullDiskEnv); dir != "" {
		fillTheDisk(dir) // and exits
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestADiskThatIsFull$")
	cmd.Env = append(os.Environ(), fullDiskEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var kept int
	if _, err := fmt.Sscanf(string(out), "kept %d, then file too large, drained", &kept); err != nil || kept < 2 {
		t.Fatalf("it said %q", out)
	}
	s := open(t, dir)
	defer s.Close()
	if len(s.List()) != kept-1 || len(s.Damage()) > 0 || s.List()[0].State != spool.MaybeStored {
		t.Errorf("%s of %d are left, damage %v", ids(s), kept, s.Damage())
	}
}

// fillTheDisk appends until the system refuses, and drains one entry then.
func fillTheDisk(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 8000, Max: 8000}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s, err := spool.Open(dir, spool.Options{})
	kept := 0
	for ; err == nil; kept++ {
		err = s.Append(entry(uint64(kept+1), strings.Repeat("v", 1000)))
	}
	kept-- // the last one was refused
	if !errors.Is(err, syscall.EFBIG) {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("kept %d, then file too large", kept)
	if err := errors.Join(s.Mark(1, 2), s.Remove(1)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Print(", drained")
	os.Exit(0) // as a crash: without Close
}
