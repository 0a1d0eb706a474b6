package batch

import (
	"flag"
	"testing"

	"github.com/suokelife/suokectl/internal/apitest"
)

var update = flag.Bool("update", false, "rewrite testdata/api.txt")

func TestAPI(t *testing.T) { apitest.Golden(t, ".", *update) }
