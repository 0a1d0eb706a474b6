package schema

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// compileJSONSchema returns a matcher, and the test for a property of the root. Draft 7 is taken where the schema names
// none, as registries do. Nothing is loaded from elsewhere.
func compileJSONSchema(text string) (match func(string, any) []Problem, hasField func(string) bool, err error) {
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft7
	compiler.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("the schema refers to %s, which is not part of it", url)
	}
	if err := compiler.AddResource("schema.json", strings.NewReader(text)); err != nil {
		return nil, nil, err
	}
	s, err := compiler.Compile("schema.json")
	if err != nil {
		return nil, nil, err
	}
	match = func(path string, value any) []Problem { return jsonProblems(path, value, s.Validate(value)) }
	hasField = func(name string) bool {
		root := s
		for range 8 {
			if root.Ref == nil {
				break
			}
			root = root.Ref
		}
		_, ok := root.Properties[name]
		return ok
	}
	return match, hasField, nil
}

func jsonProblems(path string, value any, err error) []Problem {
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []Problem{{Path: orRoot(path), Message: err.Error()}}
	}
	var out []Problem
	leaves(invalid, func(leaf *jsonschema.ValidationError) {
		out = append(out, Problem{Path: orRoot(pathOf(path, value, leaf.InstanceLocation)), Message: leaf.Message})
	})
	return out
}

func leaves(e *jsonschema.ValidationError, visit func(*jsonschema.ValidationError)) {
	for _, cause := range e.Causes {
		leaves(cause, visit)
	}
	if len(e.Causes) == 0 {
		visit(e)
	}
}

// pathOf turns a JSON pointer into a path; the value says which of its parts are indices.
func pathOf(path string, value any, pointer string) string {
	if pointer == "" {
		return path
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		part = unescape.Replace(part)
		switch at := value.(type) {
		case []any:
			path += "[" + part + "]"
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(at) {
				value = at[i]
			}
		case map[string]any:
			path = join(path, part)
			value = at[part]
		default:
			path = join(path, part)
		}
	}
	return path
}
