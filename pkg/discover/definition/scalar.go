package definition

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// text reads a scalar as it is written: a version 1.10 that nobody quoted is no number.
func text(into *string) take {
	return func(node ast.Node) *Error {
		switch n := node.(type) {
		case *ast.StringNode:
			*into = n.Value
		case *ast.LiteralNode:
			*into = n.Value.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			*into = n.GetToken().Value
		default:
			return locate(node, "a text is wanted, not %s", describe(node))
		}
		return nil
	}
}

func integer(what string, least, most int, into *int) take {
	return func(node ast.Node) *Error {
		n, is := node.(*ast.IntegerNode)
		if !is {
			return locate(node, "%s is a number, not %s", what, describe(node))
		}
		value, err := strconv.Atoi(n.GetToken().Value)
		if err != nil || value < least || value > most {
			return locate(node, "%s is a number from %d to %d, not %s", what, least, most, describe(node))
		}
		*into = value
		return nil
	}
}

func boolean(into *bool) take {
	return func(node ast.Node) *Error {
		n, is := node.(*ast.BoolNode)
		if !is {
			return locate(node, "true or false is wanted, not %s", describe(node))
		}
		*into = n.Value
		return nil
	}
}

func duration(what string, into *time.Duration) take {
	return func(node ast.Node) *Error {
		var written string
		if err := text(&written)(node); err != nil {
			return locate(node, "%s is a duration such as 10s, not %s", what, describe(node))
		}
		d, err := time.ParseDuration(strings.TrimSpace(written))
		switch _, number := node.(*ast.IntegerNode); {
		case number:
			return locate(node, "%s is a duration such as 10s; %s has no unit", what, written)
		case err != nil:
			return locate(node, "%s is a duration such as 10s or 1m30s, not %q", what, written)
		case d <= 0:
			return locate(node, "%s is a duration greater than 0, not %s", what, written)
		}
		*into = d
		return nil
	}
}

// describe says what stands at a node, shortly.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.StringNode:
		return strconv.Quote(shortened(n.Value))
	case *ast.LiteralNode:
		return "a text of several lines"
	}
	return shortened(node.GetToken().Value)
}

func shortened(s string) string {
	const enough = 40
	if runes := []rune(s); len(runes) > enough {
		return string(runes[:enough]) + "…"
	}
	return s
}
