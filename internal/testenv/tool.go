//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// goTools are the peers that are built from Go modules.
var goTools = map[string]struct{ pkg, version string }{
	"buf":     {"github.com/bufbuild/buf/cmd/buf", "v1.75.0"},
	"ghz":     {"github.com/bojand/ghz/cmd/ghz", "v0.93.0"},
	"grpcurl": {"github.com/fullstorydev/grpcurl/cmd/grpcurl", "v1.9.4"},
}

// debianTools are the peers that come as Debian packages of the same name as
// the command, or of the name given.
var debianTools = map[string]string{
	"kcat": "kcat",
	"rg":   "ripgrep",
}

// Tool returns the path of a peer's command: buf, ghz, grpcurl, kcat or rg.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := InstallTool(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// InstallTool is Tool for programs. Debian's packages are installed for the
// whole machine, which takes root, unless the command is there already.
func InstallTool(name string) (string, error) {
	if tool, ok := goTools[name]; ok {
		dir, err := install(name+"-"+tool.version, func(dir string) error { return goInstall(dir, tool.pkg, tool.version) })
		return filepath.Join(dir, name), err
	}
	pkg, ok := debianTools[name]
	if !ok {
		return "", fmt.Errorf("no recipe installs %q", name)
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	if err := aptInstall(pkg); err != nil {
		return "", err
	}
	return exec.LookPath(name)
}

// aptInstall installs a Debian package; apt checks the archive's signatures.
func aptInstall(pkg string) error {
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	args := []string{"-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", "install", "-y", "-q", "--no-install-recommends", pkg}
	first := run("/", env, "apt-get", args...)
	if first == nil {
		return nil
	}
	return retry(func() error {
		if err := run("/", env, "apt-get", "-o", "Acquire::Retries=3", "update", "-q"); err != nil {
			return errors.Join(first, err)
		}
		return run("/", env, "apt-get", args...)
	})
}
