package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Bundle makes one text of a definition and its imports. In Avro a named type is defined where it is named first; in
// JSON Schema the imports stand among the definitions, under the names that they have in references; in Protobuf, which
// cannot have it in one file, each file stands behind those that it imports, with its name in a comment. The error
// wraps [ErrInvalidSchema].
func (d Definition) Bundle() (string, error) {
	if len(d.Imports) == 0 {
		return d.Text, nil
	}
	text, err := "", error(nil)
	switch d.Type {
	case Avro:
		text, err = d.bundleAvro()
	case JSON:
		text, err = d.bundleJSON()
	case Protobuf:
		text = d.bundleProto()
	default:
		err = fmt.Errorf("type %q is none of AVRO, JSON and PROTOBUF", d.Type)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidSchema, err)
	}
	return text, nil
}

func (d Definition) bundleAvro() (string, error) {
	defined := map[string]any{}
	for _, i := range d.Imports {
		value, err := decode([]byte(i.Text))
		if err != nil {
			return "", fmt.Errorf("reference %s: %w", i.Name, err)
		}
		defined[i.Name] = value
	}
	root, err := decode([]byte(d.Text))
	if err != nil {
		return "", err
	}
	return plainJSON(inline(root, "", defined))
}

// inline replaces the first mention of each type by its definition. What is unqualified stands in the namespace around.
func inline(node any, namespace string, defined map[string]any) any {
	switch node := node.(type) {
	case string:
		for _, name := range []string{node, namespace + "." + node} {
			if definition, ok := defined[name]; ok {
				delete(defined, name)
				return withNamespace(inline(definition, "", defined))
			}
		}
	case []any:
		for i := range node {
			node[i] = inline(node[i], namespace, defined)
		}
	case map[string]any:
		inlineMembers(node, namespace, defined)
	}
	return node
}

// inlineMembers follows the keywords that hold types. The fields come first in no order but their own.
func inlineMembers(node map[string]any, namespace string, defined map[string]any) {
	if own, ok := node["namespace"].(string); ok {
		namespace = own
	} else if name, ok := node["name"].(string); ok && strings.Contains(name, ".") {
		namespace = name[:strings.LastIndexByte(name, '.')]
	}
	for _, keyword := range []string{"type", "items", "values"} {
		if member, ok := node[keyword]; ok {
			node[keyword] = inline(member, namespace, defined)
		}
	}
	if fields, ok := node["fields"].([]any); ok {
		for i := range fields {
			fields[i] = inline(fields[i], namespace, defined)
		}
	}
}

// withNamespace keeps a definition without a namespace out of the one that it is put into.
func withNamespace(definition any) any {
	if o, ok := definition.(map[string]any); ok {
		if _, said := o["namespace"]; !said && o["name"] != nil && !strings.Contains(fmt.Sprint(o["name"]), ".") {
			o["namespace"] = ""
		}
	}
	return definition
}

func (d Definition) bundleJSON() (string, error) {
	value, err := decode([]byte(d.Text))
	if err != nil {
		return "", err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return d.Text, nil
	}
	definitions, ok := root["definitions"].(map[string]any)
	if !ok {
		definitions = map[string]any{}
	}
	for _, i := range d.Imports {
		value, err := decode([]byte(i.Text))
		if err != nil {
			return "", fmt.Errorf("reference %s: %w", i.Name, err)
		}
		if o, ok := value.(map[string]any); ok && o["$id"] == nil {
			o["$id"] = i.Name
		}
		definitions[i.Name] = value
	}
	root["definitions"] = definitions
	return plainJSON(root)
}

func (d Definition) bundleProto() string {
	var b strings.Builder
	for _, i := range d.Imports {
		fmt.Fprintf(&b, "// file: %s\n%s\n\n", i.Name, strings.TrimSpace(i.Text))
	}
	b.WriteString(strings.TrimSpace(d.Text) + "\n")
	return b.String()
}

func plainJSON(value any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSpace(b.String()), err
}
