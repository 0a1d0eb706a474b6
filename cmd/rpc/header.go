package rpc

import (
	"encoding/base64"
	"os"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"google.golang.org/grpc/metadata"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// addHeader reads NAME: VALUE. The value of a name that ends in -bin is base64.
func addHeader(to metadata.MD, flag, text string) error {
	name, value, found := strings.Cut(text, ":")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	switch {
	case !found || name == "" || strings.ContainsFunc(name, notInName):
		return failure.Usagef("%s %q is not NAME: VALUE", flag, text)
	case name == spec.HeaderAuthorization:
		return failure.WithHint(failure.Usagef("a token does not belong on the command line, where others can read it"), "use --token-file FILE")
	case strings.HasPrefix(name, "grpc-"):
		return failure.Usagef("%s %q: names that begin with grpc- are gRPC's own", flag, text)
	case strings.HasSuffix(name, "-bin"):
		raw, err := decodeBase64(value)
		if err != nil {
			return failure.Usagef("%s %s: the value of a binary header is base64: %v", flag, name, err)
		}
		value = string(raw)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return failure.WithHint(failure.Usagef("%s %s: the value is not printable ASCII", flag, name), "a name that ends in -bin takes any bytes, in base64")
	}
	to.Append(name, value)
	return nil
}

// decodeBase64 takes either alphabet, padded or not.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	return base64.RawStdEncoding.DecodeString(text)
}

func notInName(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", r)
}

// writeFile replaces a file in one step; what is no plain file, such as
// /dev/stdout, is written to.
func writeFile(path string, b []byte, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, b, mode)
	}
	return maybe.WriteFile(path, b, mode)
}
