package lint_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/suokelife/suokectl/pkg/lint"
)

func TestConfig(t *testing.T) {
	const text = "Orders\n" // one TOPIC_FORMAT
	dir := t.TempDir()
	t.Chdir(dir)
	tests := []struct {
		name   string
		config lint.Config
		want   []lint.Severity
	}{
		{"zero", lint.Config{}, []lint.Severity{lint.Error}},
		{"except", lint.Config{Except: []string{"TOPIC_FORMAT"}}, nil},
		{"except of another", lint.Config{Except: []string{"TOPIC_EVENT"}}, []lint.Severity{lint.Error}},
		{"severity", lint.Config{Severities: map[string]lint.Severity{"TOPIC_FORMAT": lint.Warning}}, []lint.Severity{lint.Warning}},
		{"ignore a folder", lint.Config{Ignore: []string{"a"}}, nil},
		{"ignore a folder with a slash", lint.Config{Ignore: []string{"./a/b/"}}, nil},
		{"ignore a file", lint.Config{Ignore: []string{"a/b/topics.txt"}}, nil},
		{"ignore all", lint.Config{Ignore: []string{"."}}, nil},
		{"ignore the beginning of a name", lint.Config{Ignore: []string{"a/b/top"}}, []lint.Severity{lint.Error}},
		{"ignore only", lint.Config{IgnoreOnly: map[string][]string{"TOPIC_FORMAT": {"a"}}}, nil},
		{"ignore only another", lint.Config{IgnoreOnly: map[string][]string{"TOPIC_EVENT": {"a"}}}, []lint.Severity{lint.Error}},
		{"relative to a folder above", lint.Config{Ignore: []string{filepath.Base(dir) + "/a"}, Base: filepath.Dir(dir)}, nil},
		{"relative to a folder below", lint.Config{Ignore: []string{"b"}, Base: filepath.Join(dir, "a")}, nil},
		{"relative to another folder", lint.Config{Ignore: []string{"a"}, Base: filepath.Dir(dir)}, []lint.Severity{lint.Error}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, err := lint.Run(t.Context(), kinds(), tt.config, []*lint.Source{lint.NewSource("a/b/topics.txt", []byte(text))})
			if err != nil {
				t.Fatal(err)
			}
			var got []lint.Severity
			for _, f := range report.Findings {
				got = append(got, f.Severity)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestConfigValidate(t *testing.T) {
	rules := lint.Catalogue(kinds())
	good := lint.Config{Except: []string{"TOPIC_EVENT"}, Severities: map[string]lint.Severity{"COMPILE": "warning"}, IgnoreOnly: map[string][]string{lint.UnusedIgnore: {"."}}}
	if err := good.Validate(rules); err != nil {
		t.Error(err)
	}
	for key, bad := range map[string]lint.Config{
		"lint.except":      {Except: []string{"X"}},
		"lint.severities":  {Severities: map[string]lint.Severity{"X": "error"}},
		"lint.ignore_only": {IgnoreOnly: map[string][]string{"X": nil}},
	} {
		if err := bad.Validate(rules); !errors.Is(err, lint.ErrUnknownRule) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
