package load

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/template"
)

// ErrTemplate is wrapped by the errors of a template that cannot be used, or of
// its data.
var ErrTemplate = errors.New("the template of the requests")

// Template makes the text of requests, each a function of its number and the
// seed alone. It is a Go text/template with
//
//	{{.N}}               the number of the request, from 1
//	{{.Row.NAME}}        the column NAME of a CSV file, whose rows are taken in turn
//	{{int 1 100}}        a random integer from 1 to 100
//	{{float 0 1}}        a random number from 0 to less than 1
//	{{string 12}}        12 random letters and digits
//	{{uuid}}             a random UUID
//	{{pick "a" "b"}}     one of several, at random
//	{{json .Row.NAME}}   a value as JSON, quoted where that is needed
//
// It is safe for concurrent use.
type Template struct {
	text  *template.Template
	table *Table
	seed  uint64
}

// maxString bounds {{string N}}.
const maxString = 1 << 20

// ParseTemplate reads a template. The table may be nil.
func ParseTemplate(text string, table *Table, seed uint64) (*Template, error) {
	t, err := template.New("request").Option("missingkey=error").Funcs(functions(nil)).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return &Template{text: t, table: table, seed: seed}, nil
}

// Render returns the text of request n, counted from 0.
func (t *Template) Render(n uint64) ([]byte, error) {
	text, err := t.text.Clone() // functions belong to a template, not to its execution
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	random := rand.New(rand.NewPCG(t.seed, n)) //nolint:gosec // hides nothing
	data := map[string]any{"N": n + 1}
	if t.table != nil {
		data["Row"] = t.table.row(n)
	}
	var out bytes.Buffer
	if err := text.Funcs(functions(random)).Execute(&out, data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return out.Bytes(), nil
}

func functions(random *rand.Rand) template.FuncMap {
	return template.FuncMap{
		"int": func(from, to int64) (int64, error) {
			if from > to {
				return 0, fmt.Errorf("int %d %d: the first is greater", from, to)
			}
			width := uint64(to) - uint64(from) // wraps round as it should
			if width == 1<<64-1 {
				return int64(random.Uint64()), nil // any bits will do
			}
			return from + int64(random.Uint64N(width+1)), nil // wraps round as it should
		},
		"float": func(from, to float64) float64 { return from + random.Float64()*(to-from) },
		"string": func(length int) (string, error) {
			if length < 0 || length > maxString {
				return "", fmt.Errorf("string %d: the length is not between 0 and %d", length, maxString)
			}
			return letters(random, length), nil
		},
		"uuid": func() string { return uuid(random) },
		"pick": func(values ...any) (any, error) {
			if len(values) == 0 {
				return nil, errors.New("pick: there is nothing to pick from")
			}
			return values[random.IntN(len(values))], nil
		},
		"json": func(value any) (string, error) {
			text, err := json.Marshal(value)
			return string(text), err
		},
	}
}

func letters(random *rand.Rand, length int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	text := make([]byte, length)
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(text)
}

// uuid is of version 4 (RFC 9562).
func uuid(random *rand.Rand) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(random.Uint32()) // the low bits are meant
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// Table is a CSV file whose first row names the columns (RFC 4180).
type Table struct {
	rows []map[string]string
}

// ReadTable reads a CSV file, which must have at least one row beside the names.
// Its errors wrap [ErrTemplate].
func ReadTable(r io.Reader) (*Table, error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%w: CSV: %w", ErrTemplate, err)
	}
	if len(records) < 2 {
		return nil, fmt.Errorf("%w: CSV: it needs a row of names and one of values at least", ErrTemplate)
	}
	names := records[0]
	names[0] = strings.TrimPrefix(names[0], "\ufeff") // as spreadsheets write it
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] || name == "" {
			return nil, fmt.Errorf("%w: CSV: the name %q of a column is empty or there twice", ErrTemplate, name)
		}
		seen[name] = true
	}
	table := &Table{}
	for _, record := range records[1:] {
		row := make(map[string]string, len(names))
		for i, name := range names {
			row[name] = record[i]
		}
		table.rows = append(table.rows, row)
	}
	return table, nil
}

func (t *Table) row(n uint64) map[string]string { return t.rows[n%uint64(len(t.rows))] }
