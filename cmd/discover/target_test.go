package discover_test

import (
	"slices"
	"testing"

	"github.com/suokelife/suokectl/pkg/discover/consulgrpc"
	"github.com/suokelife/suokectl/pkg/rpc"
)

// TestBothReadersOfTargetsAgree: pkg/rpc reads consul: targets by itself, since the libraries do not import one
// another.
func TestBothReadersOfTargetsAgree(t *testing.T) {
	for _, text := range []string{
		"consul:///auth-service",
		"consul:///auth-service?version=v1",
		"consul:///auth-service?tag=prod&tag=eu&version=v1",
		"consul:///a%2Db?tag=a%26b",
		"consul://auth", "consul:///", "consul:///a/b", "consul:///a%2Fb", "consul:///a?versio=v1", "consul:///%zz", "consul:///a b",
	} {
		ours, err := consulgrpc.ParseTarget(text)
		theirs, theirErr := rpc.ParseTarget(text)
		if (err == nil) != (theirErr == nil) || ours.Service != theirs.Service || ours.Query.Version != theirs.Version ||
			!slices.Equal(ours.Query.Tags, theirs.Tags) {
			t.Errorf("%s: %+v, %v and %+v, %v", text, ours, err, theirs, theirErr)
		}
	}
}
