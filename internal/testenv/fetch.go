//go:build unix

package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mavenPlugin copies what a pom.xml depends on into a folder.
const mavenPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// maven downloads the dependencies of pom into dir and checks them against sums.
func maven(dir string, pom, sums []byte) error {
	work, err := os.MkdirTemp("", "suokectl-maven-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	file := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return err
	}
	err = retry(func() error {
		return run(work, nil, "mvn", "-B", "-q", "--strict-checksums", "-f", file, mavenPlugin, "-DoutputDirectory="+dir)
	})
	if err != nil {
		return err
	}
	return verify(dir, sums)
}

// goBuild builds pkg, a dependency of the nested module conformance/engines/module, as dir/name.
// The modules are checked against that module's go.sum.
func goBuild(dir, module, name, pkg string, ldflags ...string) error {
	source, err := engineModule(module)
	if err != nil {
		return err
	}
	flags := "-ldflags=" + strings.Join(append([]string{"-s", "-w"}, ldflags...), " ")
	return retry(func() error {
		return run(source, []string{"CGO_ENABLED=0", "GOFLAGS=-mod=readonly"},
			"go", "build", "-buildvcs=false", "-trimpath", flags, "-o", filepath.Join(dir, name), pkg)
	})
}

// goInstall builds the command pkg@version into dir; the checksum database vouches for it.
func goInstall(dir, pkg, version string) error {
	return retry(func() error {
		return run(dir, []string{"CGO_ENABLED=0", "GOFLAGS=", "GOBIN=" + dir}, "go", "install", "-trimpath", "-ldflags=-s -w", pkg+"@"+version)
	})
}

// engineModule finds conformance/engines/name in the repository that holds the working folder.
func engineModule(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, "conformance", "engines", name)
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no conformance/engines/%s above the working folder: run inside the repository", name)
		}
		dir = parent
	}
}

// retry calls step up to three times, since a registry can time out.
func retry(step func() error) error {
	var errs []error
	for wait := 2 * time.Second; ; wait *= 4 {
		err := step()
		if err == nil {
			return nil
		}
		if errs = append(errs, err); len(errs) == 3 {
			return errors.Join(errs...)
		}
		time.Sleep(wait)
	}
}

// run executes a command in dir with env added to the environment.
// The error shows the end of what the command printed.
func run(dir string, env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, lastLines(output, 30))
	}
	return nil
}

// lastLines returns at most n lines from the end of text.
func lastLines(text []byte, n int) []byte {
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}
