package kube

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// schemaFiles hold the specification of each resource: Istio's from its own CRDs (istio.io/api v1.31.4,
// kubernetes/customresourcedefinitions.gen.yaml) without the prose, the Job's by its API reference.
//
//go:embed schema/*.json
var schemaFiles embed.FS

// structural is the part of a CRD's structural schema that the embedded files use.
type structural struct {
	Type                 string                 `json:"type"`
	Format               string                 `json:"format"` // "duration": a duration of at least 1 ms
	Properties           map[string]*structural `json:"properties"`
	AdditionalProperties *structural            `json:"additionalProperties"`
	Items                *structural            `json:"items"`
	Required             []string               `json:"required"`
	Enum                 []any                  `json:"enum"`
	Minimum              *float64               `json:"minimum"`
	Maximum              *float64               `json:"maximum"`
	MaxLength            *int                   `json:"maxLength"`
	MinProperties        *int                   `json:"minProperties"`
	MaxProperties        *int                   `json:"maxProperties"`
	OneOf                []*structural          `json:"oneOf"`
	AnyOf                []*structural          `json:"anyOf"`
	Not                  *structural            `json:"not"`
	Nullable             bool                   `json:"nullable"`
	Open                 bool                   `json:"x-kubernetes-preserve-unknown-fields"`
}

func loadSchemas() (map[*resource]*structural, error) {
	schemas := map[*resource]*structural{}
	for _, r := range catalogue {
		content, err := schemaFiles.ReadFile("schema/" + r.plural + ".json")
		if err != nil {
			continue // namespaces and configmaps have no specification to check
		}
		schema := new(structural)
		if err := json.Unmarshal(content, schema); err != nil {
			return nil, fmt.Errorf("read the schema of %s: %w", r.plural, err)
		}
		schemas[r] = schema
	}
	return schemas, nil
}

// prune removes the fields that the schema does not know and returns their paths.
func (s *structural) prune(path string, value any) (unknown []string) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			child, at := s.property(name), strings.TrimPrefix(path+"."+name, ".")
			switch {
			case child != nil:
				unknown = append(unknown, child.prune(at, v[name])...)
			case !s.Open && s.Type == "object":
				delete(v, name)
				unknown = append(unknown, at)
			}
		}
	case []any:
		for i, item := range v {
			if s.Items != nil {
				unknown = append(unknown, s.Items.prune(fmt.Sprintf("%s[%d]", path, i), item)...)
			}
		}
	}
	return unknown
}

func (s *structural) property(name string) *structural {
	if child := s.Properties[name]; child != nil {
		return child
	}
	return s.AdditionalProperties
}

// validate returns what is wrong with value. Unknown fields are not its business.
func (s *structural) validate(path *field.Path, value any) field.ErrorList {
	if value == nil && s.Nullable {
		return nil
	}
	if found := typeOf(value); s.Type != "" && found != s.Type && (s.Type != "number" || found != "integer") {
		return field.ErrorList{field.TypeInvalid(path, value, fmt.Sprintf("must be of type %s: %q", s.Type, found))}
	}
	errs := s.validateScalar(path, value)
	switch v := value.(type) {
	case map[string]any:
		errs = append(errs, s.validateObject(path, v)...)
	case []any:
		for i, item := range v {
			if s.Items != nil {
				errs = append(errs, s.Items.validate(path.Index(i), item)...)
			}
		}
	}
	return append(errs, s.validateJunctors(path, value)...)
}

func (s *structural) validateObject(path *field.Path, v map[string]any) (errs field.ErrorList) {
	for _, name := range s.Required {
		if _, there := v[name]; !there {
			errs = append(errs, field.Required(path.Child(name), ""))
		}
	}
	if s.MinProperties != nil && len(v) < *s.MinProperties || s.MaxProperties != nil && len(v) > *s.MaxProperties {
		errs = append(errs, field.Invalid(path, len(v), "wrong number of properties"))
	}
	for _, name := range sortedKeys(v) {
		if child := s.property(name); child != nil {
			errs = append(errs, child.validate(path.Child(name), v[name])...)
		}
	}
	return errs
}

func (s *structural) validateScalar(path *field.Path, value any) (errs field.ErrorList) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
		errs = append(errs, field.Invalid(path, value, "is not one of the supported values"))
	}
	if n, ok := number(value); ok && (s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum) {
		errs = append(errs, field.Invalid(path, value, "is out of range"))
	}
	if text, ok := value.(string); ok {
		if s.MaxLength != nil && len(text) > *s.MaxLength {
			errs = append(errs, field.TooLong(path, "", *s.MaxLength))
		}
		if d, err := time.ParseDuration(text); s.Format == "duration" && (err != nil || d < time.Millisecond) {
			errs = append(errs, field.Invalid(path, text, "must be a valid duration greater than 1ms"))
		}
	}
	return errs
}

func (s *structural) validateJunctors(path *field.Path, value any) (errs field.ErrorList) {
	count := func(schemas []*structural) (valid int) {
		for _, one := range schemas {
			if len(one.validate(path, value)) == 0 {
				valid++
			}
		}
		return valid
	}
	if len(s.OneOf) > 0 && count(s.OneOf) != 1 {
		errs = append(errs, field.Invalid(path, value, "must validate one and only one schema (oneOf)"))
	}
	if len(s.AnyOf) > 0 && count(s.AnyOf) == 0 {
		errs = append(errs, field.Invalid(path, value, "must validate at least one schema (anyOf)"))
	}
	if s.Not != nil && len(s.Not.validate(path, value)) == 0 {
		errs = append(errs, field.Invalid(path, value, "must not validate the schema (not)"))
	}
	return errs
}

func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
