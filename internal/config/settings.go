package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Setting is one value of a context, addressed by its dotted key.
type Setting struct {
	// Key is the path in the file, such as consul.address.
	Key string
	// Secret values are never shown.
	Secret bool

	index []int
}

// Settings returns every setting of a context in the order of the file.
func Settings() []Setting { return settingsOf(reflect.TypeFor[Context](), "", nil) }

// FindSetting returns the setting of a key.
func FindSetting(key string) (Setting, bool) {
	all := Settings()
	i := slices.IndexFunc(all, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return all[i], true
}

func settingsOf(t reflect.Type, prefix string, index []int) []Setting {
	var found []Setting
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		path := append(slices.Clone(index), i)
		if field.Type.Kind() == reflect.Struct {
			found = append(found, settingsOf(field.Type, prefix+name+".", path)...)
			continue
		}
		found = append(found, Setting{Key: prefix + name, Secret: field.Tag.Get("secret") == "true", index: path})
	}
	return found
}

// Variable is the environment variable of the program's own that sets the
// value: SUOKECTL_CONSUL_ADDRESS for consul.address.
func (s Setting) Variable() string {
	return "SUOKECTL_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// ecosystem are the variables that other tools of the field read for the same
// thing; the first that is set counts, as it does for them.
func (s Setting) ecosystem() []string {
	switch s.Key {
	case "consul.address":
		return []string{"CONSUL_HTTP_ADDR"}
	case "consul.token":
		return []string{"CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_TOKEN"}
	case "consul.auth":
		return []string{"CONSUL_HTTP_AUTH"}
	case "consul.namespace":
		return []string{"CONSUL_NAMESPACE"}
	case "consul.partition":
		return []string{"CONSUL_PARTITION"}
	case "consul.ca_path":
		return []string{"CONSUL_CAPATH"}
	case "consul.tls.enabled":
		return []string{"CONSUL_HTTP_SSL"}
	case "consul.tls.ca":
		return []string{"CONSUL_CACERT"}
	case "consul.tls.cert":
		return []string{"CONSUL_CLIENT_CERT"}
	case "consul.tls.key":
		return []string{"CONSUL_CLIENT_KEY"}
	case "consul.tls.server_name":
		return []string{"CONSUL_TLS_SERVER_NAME"}
	case "consul.tls.insecure":
		return []string{"CONSUL_HTTP_SSL_VERIFY"}
	case "kube.config":
		return []string{"KUBECONFIG"}
	default:
		return nil
	}
}

// translate makes the setting's value of what an ecosystem variable says,
// where the two are not the same.
func translate(variable, text string) (string, error) {
	switch variable {
	case "CONSUL_HTTP_TOKEN_FILE":
		return "${file:" + text + "}", nil
	case "CONSUL_HTTP_SSL_VERIFY":
		verify, err := strconv.ParseBool(text)
		if err != nil {
			return "", fmt.Errorf("it is true or false, not %q", text)
		}
		return strconv.FormatBool(!verify), nil
	default:
		return text, nil
	}
}

// Get returns the setting's value as text; lists are joined with commas, and
// what is not set is "".
func (s Setting) Get(c *Context) string {
	v := reflect.ValueOf(c).Elem().FieldByIndex(s.index)
	switch value := v.Interface().(type) {
	case string:
		return value
	case bool:
		if !value {
			return ""
		}
		return "true"
	case []string:
		return strings.Join(value, ",")
	case map[string]string:
		return joinPairs(value)
	default:
		return fmt.Sprint(value)
	}
}

// Shown is Get with secrets hidden, but for references.
func (s Setting) Shown(c *Context) string {
	if pairs, ok := reflect.ValueOf(c).Elem().FieldByIndex(s.index).Interface().(map[string]string); ok {
		shown := make(map[string]string, len(pairs))
		for name, value := range pairs {
			shown[name] = hide(value, IsSecretProperty(name))
		}
		return joinPairs(shown)
	}
	return hide(s.Get(c), s.Secret)
}

func hide(value string, secret bool) string {
	if secret && value != "" && !IsReference(value) {
		return "(hidden)"
	}
	return value
}

// WritesSecret reports whether the value has a secret in it that is no reference.
func (s Setting) WritesSecret(c *Context) bool { return s.Shown(c) != s.Get(c) }

// expand replaces the references in the setting's value.
func (s Setting) expand(c *Context, expand func(string) (string, error)) error {
	v := reflect.ValueOf(c).Elem().FieldByIndex(s.index)
	if pairs, ok := v.Interface().(map[string]string); ok {
		expanded := make(map[string]string, len(pairs))
		for name, value := range pairs {
			text, err := expand(value)
			if err != nil {
				return err
			}
			expanded[name] = text
		}
		if len(expanded) > 0 {
			v.Set(reflect.ValueOf(expanded))
		}
		return nil
	}
	value, err := expand(s.Get(c))
	if err == nil && value != "" {
		_ = s.Set(c, value)
	}
	return err
}

// Set writes the setting's value from text. A boolean that is none is an
// error.
func (s Setting) Set(c *Context, text string) error {
	v := reflect.ValueOf(c).Elem().FieldByIndex(s.index)
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%s is true or false, not %q", s.Key, text)
		}
		v.SetBool(b)
	case reflect.Slice:
		v.Set(reflect.ValueOf(splitList(text)))
	case reflect.Map:
		pairs, err := splitPairs(text)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Key, err)
		}
		v.Set(reflect.ValueOf(pairs))
	default:
		v.SetString(text)
	}
	return nil
}

func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// joinPairs writes NAME=VALUE with commas between, sorted.
func joinPairs(pairs map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, name+"="+pairs[name])
	}
	return strings.Join(list, ",")
}

// splitPairs reads NAME=VALUE with commas between. A part without = belongs to
// the value before it: bootstrap.servers=a:1,b:2.
func splitPairs(text string) (map[string]string, error) {
	pairs := make(map[string]string)
	last := ""
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		switch {
		case ok:
			last = strings.TrimSpace(name)
			pairs[last] = value
		case last != "":
			pairs[last] += "," + part
		case strings.TrimSpace(part) != "":
			return nil, fmt.Errorf("%q is not NAME=VALUE", part)
		}
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	return pairs, nil
}
