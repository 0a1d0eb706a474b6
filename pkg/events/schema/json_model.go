package schema

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// jsonKind is what a part of a JSON Schema restricts.
type jsonKind string

const (
	kindAny     jsonKind = "anything"
	kindNever   jsonKind = "nothing"
	kindString  jsonKind = "string"
	kindNumber  jsonKind = "number"
	kindBoolean jsonKind = "boolean"
	kindNull    jsonKind = "null"
	kindArray   jsonKind = "array"
	kindObject  jsonKind = "object"
	kindEnum    jsonKind = "enum"
	kindConst   jsonKind = "const"
	kindNot     jsonKind = "not"
	kindIf      jsonKind = "if"
	kindOpaque  jsonKind = "a dynamic reference"
	kindAll     jsonKind = "allOf"
	kindAnyOf   jsonKind = "anyOf"
	kindOneOf   jsonKind = "oneOf"
)

// jsonPart is a schema as it is compared: of one kind, or combined of several parts. This is how registries see a
// schema: one with a type and an enumeration is the product of both, one with two types is the sum of them.
type jsonPart struct {
	kind    jsonKind
	s       *jsonschema.Schema
	typed   bool // it takes no values of other kinds
	integer bool
	schemas []*jsonschema.Schema // that are combined
	parts   []jsonPart           // that are combined, in place of schemas
}

func (p jsonPart) combined() bool {
	return p.kind == kindAll || p.kind == kindAnyOf || p.kind == kindOneOf
}

func (p jsonPart) size() int { return max(len(p.schemas), len(p.parts)) }

func (p jsonPart) sub(i int) jsonPart {
	if p.parts != nil {
		return p.parts[i]
	}
	return partOf(p.schemas[i])
}

func (p jsonPart) String() string {
	if !p.combined() {
		if p.integer {
			return "integer"
		}
		return string(p.kind)
	}
	var names []string
	for i := range min(p.size(), 4) {
		name := "…"
		if sub := p.sub(i); !sub.combined() {
			name = sub.String()
		}
		names = append(names, name)
	}
	return string(p.kind) + " of " + strings.Join(names, ", ")
}

// partOf takes a schema apart.
func partOf(s *jsonschema.Schema) jsonPart {
	if s.Always != nil {
		return jsonPart{kind: map[bool]jsonKind{true: kindAny, false: kindNever}[*s.Always], s: s}
	}
	parts := typeParts(s)
	add := func(present bool, p jsonPart) {
		if p.s = s; present {
			parts = append(parts, p)
		}
	}
	if s.Ref != nil {
		parts = append(parts, partOf(s.Ref))
	}
	add(s.RecursiveRef != nil || s.DynamicRef != nil, jsonPart{kind: kindOpaque})
	add(s.Not != nil, jsonPart{kind: kindNot})
	add(s.Enum != nil, jsonPart{kind: kindEnum})
	add(s.Constant != nil, jsonPart{kind: kindConst})
	add(s.If != nil && (s.Then != nil || s.Else != nil), jsonPart{kind: kindIf})
	add(s.AllOf != nil, jsonPart{kind: kindAll, schemas: s.AllOf})
	add(s.AnyOf != nil, jsonPart{kind: kindAnyOf, schemas: s.AnyOf})
	add(s.OneOf != nil, jsonPart{kind: kindOneOf, schemas: s.OneOf})
	switch len(parts) {
	case 0:
		return jsonPart{kind: kindAny, s: s}
	case 1:
		return parts[0]
	}
	return jsonPart{kind: kindAll, s: s, parts: parts}
}

// typeParts are the parts that the types make; without types, those whose keywords are there.
func typeParts(s *jsonschema.Schema) []jsonPart {
	var parts []jsonPart
	for _, t := range s.Types {
		p := jsonPart{kind: jsonKind(t), s: s, typed: true}
		if t == "integer" {
			p.kind, p.integer = kindNumber, true
		}
		parts = append(parts, p)
	}
	if len(parts) > 1 {
		return []jsonPart{{kind: kindAnyOf, s: s, parts: parts}}
	}
	if len(parts) == 1 {
		return parts
	}
	for kind, mentioned := range map[jsonKind]bool{
		kindString: mentionsString(s), kindNumber: mentionsNumber(s), kindArray: mentionsArray(s), kindObject: mentionsObject(s),
	} {
		if mentioned {
			parts = append(parts, jsonPart{kind: kind, s: s})
		}
	}
	slices.SortFunc(parts, func(a, b jsonPart) int { return strings.Compare(string(a.kind), string(b.kind)) })
	return parts
}

func mentionsString(s *jsonschema.Schema) bool {
	return s.MinLength >= 0 || s.MaxLength >= 0 || s.Pattern != nil || s.Format != "" || s.ContentEncoding != "" || s.ContentMediaType != ""
}

func mentionsNumber(s *jsonschema.Schema) bool {
	return s.Minimum != nil || s.Maximum != nil || s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil
}

func mentionsArray(s *jsonschema.Schema) bool {
	return s.MinItems >= 0 || s.MaxItems >= 0 || s.UniqueItems || s.Items != nil || s.AdditionalItems != nil || s.PrefixItems != nil ||
		s.Items2020 != nil || s.Contains != nil || s.UnevaluatedItems != nil || marksOf(s).additionalItems != ""
}

func mentionsObject(s *jsonschema.Schema) bool {
	return s.MinProperties >= 0 || s.MaxProperties >= 0 || s.Required != nil || s.Properties != nil || s.PropertyNames != nil ||
		s.PatternProperties != nil || s.AdditionalProperties != nil || s.Dependencies != nil || s.DependentRequired != nil ||
		s.DependentSchemas != nil || s.UnevaluatedProperties != nil
}

// canonicalJSON is the text of a decoded value by which it is compared: 1.0 is 1, and names have an order.
func canonicalJSON(value any) string {
	text, err := json.Marshal(canonicalNumbers(value))
	if err != nil {
		return "?"
	}
	return string(text)
}

func canonicalNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if rat, ok := new(big.Rat).SetString(string(v)); ok && len(v) < 40 && rat.IsInt() && !strings.ContainsAny(string(v), "eE") {
			return json.Number(rat.Num().String())
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = canonicalNumbers(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = canonicalNumbers(member)
		}
		return out
	}
	return value
}
