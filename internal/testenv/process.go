//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	readyTimeout = 90 * time.Second // an engine's start on a busy machine with two cores
	termTimeout  = 15 * time.Second // between SIGTERM and SIGKILL
	probeEvery   = 50 * time.Millisecond
)

// process is a running engine in a process group of its own. Its output is
// appended to a log file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and was waited for
	err  error         // how it ended; read after done
}

// launch starts cmd, as the user that it names if any, with its output appended
// to dir/name.log.
func launch(dir, name string, cmd *exec.Cmd) (*process, error) {
	logPath := filepath.Join(dir, name+".log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	attributes := childAttributes()
	if cmd.SysProcAttr != nil {
		attributes.Credential = cmd.SysProcAttr.Credential
	}
	cmd.SysProcAttr = attributes
	p := &process{name: name, log: logPath, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.own(logFile, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// own starts the process and waits for its end on one thread: the kernel kills
// the child when the thread that started it ends.
func (p *process) own(logFile *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer close(p.done)
	defer logFile.Close()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// awaitReady calls probe until it succeeds, the process ends or 90 s have passed.
func (p *process) awaitReady(probe func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %w\n%s", p.name, p.err, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready after %s: %w\n%s", p.name, readyTimeout, err, p.tail())
		case <-tick.C:
		}
	}
}

// stop asks the process group to end, kills it if it does not, and waits.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(termTimeout):
		p.kill()
	}
}

// kill ends the process group as a power cut would, and waits.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done: // its number may be another's by now
		return
	default:
	}
	// ESRCH: the group is gone already, which is what is wanted.
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		panic(fmt.Sprintf("signal %s: %v", p.name, err))
	}
}

func (p *process) tail() []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return lastLines(text, 40)
}

// tie stops an engine at the end of the test and shows its log if the test failed.
func tie(t testing.TB, stop func(), logs func() []byte) {
	t.Helper()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("end of the log:\n%s", logs())
		}
	})
}

var ports struct {
	sync.Mutex
	next int
}

// freePort returns a loopback port that nobody listens on. It lies below the
// range from which the kernel takes the ports of outgoing connections, so that
// none of those can occupy it before the engine does or while it restarts.
func freePort() int {
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		ports.next = 20000 + rand.IntN(10000)
	}
	for {
		ports.next = 20000 + (ports.next-20000+1)%12000
		listener, err := net.Listen("tcp", loopback(ports.next))
		if err != nil {
			continue
		}
		listener.Close()
		return ports.next
	}
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
