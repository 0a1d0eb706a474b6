package lint_test

import (
	"testing"

	"github.com/suokelife/suokectl/internal/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }
