//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// PostgresServer is one PostgreSQL server of Debian's version, on loopback
// alone, which trusts everybody there.
type PostgresServer struct {
	URL string // of the database postgres, as that user

	bin  string // the folder of its programs
	data string
	proc *process
}

// Postgres starts a server that lives as long as the test.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	server, err := StartPostgres(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// StartPostgres starts a server which keeps its log in dir. The caller stops it.
// PostgreSQL does not run as root: it is another user then, and its data are in a
// folder of that one, which Stop removes.
func StartPostgres(dir string) (*PostgresServer, error) {
	bin, err := installPostgres()
	if err != nil {
		return nil, err
	}
	server := &PostgresServer{bin: bin}
	if err := server.start(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), os.RemoveAll(server.data))
	}
	return server, nil
}

// installPostgres returns the folder of the programs, which Debian does not put
// into the path since several versions may be there: the newest.
func installPostgres() (string, error) {
	for range 2 {
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return filepath.Dir(found[len(found)-1]), nil
		}
		if err := aptInstall("postgresql"); err != nil {
			return "", err
		}
	}
	return "", errors.New("the package postgresql brings no /usr/lib/postgresql/*/bin/postgres")
}

func (s *PostgresServer) start(dir string) error {
	var err error
	if s.data, err = os.MkdirTemp("", "suokectl-postgres-"); err != nil {
		return err
	}
	as, err := s.otherUser()
	if err != nil {
		return err
	}
	initialise := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initialise.Dir, initialise.SysProcAttr = s.data, &syscall.SysProcAttr{Credential: as}
	if output, err := initialise.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", initialise, err, lastLines(output, 20))
	}
	port := strconv.Itoa(freePort())
	serve := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data, "-h", "127.0.0.1", "-p", port, "-k", "", "-F", "-N", "200")
	serve.Dir, serve.SysProcAttr = s.data, &syscall.SysProcAttr{Credential: as}
	if s.proc, err = launch(dir, "postgres", serve); err != nil {
		return err
	}
	s.URL = "postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable"
	err = s.proc.awaitReady(func(ctx context.Context) error {
		return exec.CommandContext(ctx, filepath.Join(s.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", port).Run()
	})
	if err != nil {
		s.proc.kill()
	}
	return err
}

// otherUser returns whom to run as in root's place, to whom the data are given;
// nil when this is not root.
func (s *PostgresServer) otherUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is: as oneself
	}
	other, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.Atoi(other.Uid)
	gid, err2 := strconv.Atoi(other.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2, os.Chown(s.data, uid, gid))
}

// Stop ends the server and its connections, waits, and removes its data. It may
// be called twice.
func (s *PostgresServer) Stop() {
	s.proc.signal(syscall.SIGINT) // a fast shutdown; SIGTERM alone waits for clients
	s.proc.stop()
	_ = os.RemoveAll(s.data)
}

// Log returns the last lines of the server's log.
func (s *PostgresServer) Log() []byte { return s.proc.tail() }

// Database returns the URL of another database of the server.
func (s *PostgresServer) Database(name string) string {
	return strings.Replace(s.URL, "/postgres?", "/"+name+"?", 1)
}
