package schema

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// jsonSchema is a compiled JSON Schema.
type jsonSchema struct {
	root *jsonschema.Schema
	text string
}

// jsonBase is where the text stands, for the references in it.
const jsonBase = "mem://schema/"

// parseJSONSchema takes draft 7 where the schema names none, as registries do. Nothing is loaded from elsewhere.
func parseJSONSchema(d Definition) (*jsonSchema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft7
	compiler.RegisterExtension("marks", nil, jsonMarksCompiler{})
	compiler.LoadURL = d.loadImport
	if err := compiler.AddResource(jsonBase+"schema.json", strings.NewReader(d.Text)); err != nil {
		return nil, err
	}
	root, err := compiler.Compile(jsonBase + "schema.json")
	if err != nil {
		return nil, err
	}
	return &jsonSchema{root: root, text: d.Text}, nil
}

// loadImport finds what a reference names: by the address that it stands for, or by the end of one.
func (d Definition) loadImport(url string) (io.ReadCloser, error) {
	for _, i := range d.Imports {
		if url == i.Name || strings.HasSuffix(url, "/"+strings.TrimPrefix(i.Name, "/")) {
			return io.NopCloser(strings.NewReader(i.Text)), nil
		}
	}
	return nil, &MissingReferenceError{strings.TrimPrefix(url, jsonBase)}
}

// jsonMarks are keywords that the library does not keep.
type jsonMarks struct {
	hasDefault   bool
	connectBytes bool // Kafka Connect's mark of bytes, whatever their JSON
	// additionalItems as it stands beside no list of items, where it says nothing to a validator.
	additionalItems string
}

type jsonMarksCompiler struct{}

// Compile implements the library's interface.
func (jsonMarksCompiler) Compile(_ jsonschema.CompilerContext, m map[string]any) (jsonschema.ExtSchema, error) {
	marks := jsonMarks{connectBytes: m["connect.type"] == "bytes"}
	_, marks.hasDefault = m["default"]
	_, tuple := m["items"].([]any)
	if more, ok := m["additionalItems"]; ok && !tuple {
		marks.additionalItems = canonicalJSON(more)
	}
	if marks == (jsonMarks{}) {
		return nil, nil
	}
	return marks, nil
}

// Validate implements the library's interface: marks say nothing about values.
func (jsonMarks) Validate(jsonschema.ValidationContext, any) error { return nil }

func marksOf(s *jsonschema.Schema) jsonMarks {
	marks, _ := s.Extensions["marks"].(jsonMarks)
	return marks
}

func (s *jsonSchema) match(path string, value any) []Problem {
	return jsonProblems(path, value, s.root.Validate(value))
}

func (s *jsonSchema) hasField(name string) bool {
	_, ok := referred(s.root).Properties[name]
	return ok
}

func (s *jsonSchema) encode(text []byte, _ any) ([]byte, error) { return text, nil }

func (s *jsonSchema) decode(_ []int, data []byte) ([]byte, error) {
	if _, err := decode(data); err != nil {
		return nil, err
	}
	return data, nil
}

// outline has a line for each keyword, by its JSON pointer.
func (s *jsonSchema) outline() map[string]string {
	out := map[string]string{}
	if value, err := decode([]byte(s.text)); err == nil {
		outlineJSON(out, "#", value)
	}
	return out
}

func outlineJSON(out map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 0 {
			out[path] = "{}"
		}
		for name, member := range value {
			outlineJSON(out, path+"/"+escapePointer.Replace(name), member)
		}
	case []any:
		if text, plain := plainList(value); plain {
			out[path] = text
			return
		}
		for i, item := range value {
			outlineJSON(out, path+"/"+strconv.Itoa(i), item)
		}
	default:
		out[path] = canonicalJSON(value)
	}
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// plainList writes a list without objects in one line.
func plainList(items []any) (string, bool) {
	names := make([]string, len(items))
	for i, item := range items {
		switch item.(type) {
		case map[string]any, []any:
			return "", false
		}
		names[i] = canonicalJSON(item)
	}
	return "[" + strings.Join(names, ", ") + "]", true
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
