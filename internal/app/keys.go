package app

import (
	"os"

	"github.com/suokelife/suokectl/pkg/secure"
)

// ReadKeys reads the keys of a file or folder that the user named. It warns when
// others can read a file with a private key or a secret, and goes on: in a
// container that is how keys are mounted.
func (f *Factory) ReadKeys(path string) (secure.KeySet, error) {
	keys, err := secure.ReadKeys(path)
	if err != nil {
		return nil, err
	}
	_, public := keys.Signing()
	info, err := os.Stat(path)
	if public == nil && err == nil && !info.IsDir() && info.Mode().Perm()&0o077 != 0 {
		f.IO.Infof("warning: others on this machine can read the private key: chmod 600 %s", path)
	}
	return keys, nil
}
