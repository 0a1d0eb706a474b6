package root

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/pkg/spec"
)

// flagError makes a usage error of what pflag finds wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var lacking *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &lacking):
		return failure.Usagef("%s takes %s, and nothing is given", typedAs(lacking.GetFlag()), takes(lacking.GetFlag()))
	case errors.As(err, &invalid):
		return invalidValue(invalid)
	}
	return &failure.UsageError{Err: err}
}

// unknownFlag names the flag that was probably meant.
func unknownFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	usage := &failure.UsageError{Err: err}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := spec.Nearest(err.GetSpecifiedName(), names); near != "" {
		return failure.WithHint(usage, "did you mean --"+near+"?")
	}
	return failure.WithHint(usage, fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath()))
}

// invalidValue says what is wanted in place of how it was parsed. A kind of value
// that is our own has said it already.
func invalidValue(err *pflag.InvalidValueError) error {
	flag := err.GetFlag()
	wanted, known := kinds()[flag.Value.Type()]
	switch {
	case !known:
		return failure.Usagef("%s: %w", typedAs(flag), err.Unwrap())
	case errors.Is(err, strconv.ErrRange):
		return failure.Usagef("%s %q is out of range", typedAs(flag), err.GetValue())
	}
	return failure.Usagef("%s takes %s, and given is %q", typedAs(flag), wanted, err.GetValue())
}

// kinds are pflag's kinds of values that not every text is.
func kinds() map[string]string {
	const whole = "a whole number"
	return map[string]string{
		"int": whole, "int16": whole, "int32": whole, "int64": whole, "count": whole,
		"uint64":         "a whole number from 0",
		"float64":        "a number",
		"bool":           "true or false",
		"duration":       "a duration such as 300ms, 30s or 2h",
		"int32Slice":     "whole numbers such as 0,2",
		"stringToString": "NAME=VALUE",
	}
}

// takes says what a flag wants.
func takes(flag *pflag.Flag) string {
	if wanted, known := kinds()[flag.Value.Type()]; known {
		return wanted
	}
	name, _ := pflag.UnquoteUsage(flag)
	return "a value, its " + name
}

// typedAs is a flag as the help names it.
func typedAs(flag *pflag.Flag) string {
	if flag.Shorthand != "" {
		return "-" + flag.Shorthand + ", --" + flag.Name
	}
	return "--" + flag.Name
}

// dropEmptyDefault keeps the help from naming the default of a list that has none:
// pflag knows the empty ones of some kinds only.
func dropEmptyDefault(flag *pflag.Flag) {
	if kind := flag.Value.Type(); flag.DefValue == "[]" && (kind == "int32Slice" || kind == "stringToString") {
		flag.DefValue = ""
	}
}
