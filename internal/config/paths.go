package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

const dirName = "suokectl"

// Paths are the folders that the program keeps things in, by the XDG base
// directory specification; on Windows %AppData% and %LocalAppData%.
type Paths struct {
	// Config holds config.yaml.
	Config string
	// State holds what must survive a restart: the lab's state.
	State string
	// Cache holds what can be made again.
	Cache string
}

// FindPaths returns the folders; they need not exist.
func FindPaths(getenv func(string) string) (Paths, error) {
	home, err := os.UserHomeDir()
	if h := getenv("HOME"); h != "" {
		home, err = h, nil
	}
	if err != nil {
		return Paths{}, fmt.Errorf("find the home folder: %w", err)
	}
	base := func(xdg, windows string, unix ...string) string {
		if dir := getenv(xdg); filepath.IsAbs(dir) {
			return filepath.Join(dir, dirName)
		}
		if dir := getenv(windows); runtime.GOOS == "windows" && dir != "" {
			return filepath.Join(dir, dirName)
		}
		return filepath.Join(append(append([]string{home}, unix...), dirName)...)
	}
	return Paths{
		Config: base("XDG_CONFIG_HOME", "AppData", ".config"),
		State:  base("XDG_STATE_HOME", "LocalAppData", ".local", "state"),
		Cache:  base("XDG_CACHE_HOME", "LocalAppData", ".cache"),
	}, nil
}

// ConfigFile is the path of config.yaml.
func (p Paths) ConfigFile() string { return filepath.Join(p.Config, "config.yaml") }
