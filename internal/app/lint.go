package app

import (
	"github.com/suokelife/suokectl/internal/config"
	"github.com/suokelife/suokectl/pkg/lint"
)

// LintConfig returns the section lint of the repository's suokectl.yaml; the
// zero value where there is none.
func (f *Factory) LintConfig() (lint.Config, error) {
	return config.LoadLint(config.FindConventions(f.Dir))
}
