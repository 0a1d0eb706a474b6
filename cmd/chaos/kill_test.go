//go:build unix

package chaos_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/lab"
	"github.com/suokelife/suokectl/pkg/chaos"
)

var virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}

// TestKilledInjectionEndsAtItsDeadline kills the program with SIGKILL as soon as its fault is written: the cluster takes
// the fault back by itself, at the deadline and not before.
func TestKilledInjectionEndsAtItsDeadline(t *testing.T) {
	const ttl = 3 * time.Second
	dir := t.TempDir()
	world, err := lab.Start(t.Context(), lab.Options{StateDir: clitest.StateDir(dir)})
	must(t, err)
	t.Cleanup(func() { must(t, world.Close()) })
	config, err := clientcmd.BuildConfigFromFlags("", world.Context().Kube.Config)
	must(t, err)
	cluster, err := dynamic.NewForConfig(config)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	events, err := cluster.Resource(virtualServices).Watch(ctx, metav1.ListOptions{LabelSelector: chaos.LabelFault})
	must(t, err)
	defer events.Stop()

	// The proof looks for a delay that no call can show in time, so the program is still at work when it is killed.
	program := suokectl(t, dir, "chaos", "inject", "auth-service", "--delay", "1h", "--abort", "500", "--ttl", ttl.String())
	stderr, err := program.StderrPipe()
	must(t, err)
	must(t, program.Start())
	written := <-events.ResultChan()
	must(t, program.Process.Kill())
	said := bufio.NewScanner(stderr)
	for said.Scan() { // to the end of the pipe, which Wait needs
		t.Log(said.Text())
	}
	if err := program.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the program ended with %v before it was killed", err)
	}
	if written.Type != "ADDED" {
		t.Fatalf("got event %q, want the shadow", written.Type)
	}

	client := chaos.New(cluster, chaos.Options{})
	leases, err := client.Status(ctx)
	must(t, err)
	if len(leases) != 1 || leases[0].State != chaos.StateActive {
		t.Fatalf("after the kill: %+v", leases)
	}
	select {
	case e := <-events.ResultChan():
		if e.Type != "DELETED" {
			t.Fatalf("got event %q, want the shadow's end", e.Type)
		}
	case <-ctx.Done():
		t.Fatal("the fault outlived its deadline")
	}
	if now := time.Now(); now.Before(leases[0].Expires) {
		t.Errorf("taken back %v early", leases[0].Expires.Sub(now))
	}
	leases, err = client.Status(ctx)
	must(t, err)
	if len(leases) != 0 {
		t.Errorf("left behind: %+v", leases)
	}
}

// suokectl runs this test's own binary as the program, with the files of a user who lives in dir.
func suokectl(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("suokectl") // clitest.Main has put it there
	must(t, err)
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	for name, value := range clitest.Home(dir) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
