package registry

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// Published is a verdict that a registry's makers hold it to by tests that they publish.
type Published struct {
	// Name says what changes; unique within its type.
	Name string
	// Type is AVRO, JSON or PROTOBUF.
	Type string
	// Dialect is the JSON Schema's, by its address.
	Dialect string
	// Writer and Reader are schemas; Files are what they may import, by name.
	Writer, Reader string
	Files          map[string]string
	// Readable is the verdict: the reader reads all that the writer wrote.
	Readable bool
}

//go:embed published/*.txt
var publishedFiles embed.FS

// AllPublished reads the tables of verdicts. It panics when one is malformed.
func AllPublished() []Published {
	var out []Published
	for _, table := range []struct{ name, kind string }{{"avro", "AVRO"}, {"json", "JSON"}, {"protobuf", "PROTOBUF"}} {
		text, err := publishedFiles.ReadFile("published/" + table.name + ".txt")
		if err != nil {
			panic(err)
		}
		p := publishedTable{kind: table.kind, files: map[string]string{}}
		for i, line := range strings.Split(string(text), "\n") {
			if err := p.read(line); err != nil {
				panic(fmt.Sprintf("%s.txt:%d: %v", table.name, i+1, err))
			}
		}
		out = append(out, p.out...)
	}
	return out
}

type publishedTable struct {
	kind    string
	section string
	files   map[string]string
	out     []Published
}

func (p *publishedTable) read(line string) error {
	switch {
	case line == "", line[0] == '#':
		return nil
	case line[0] == '[':
		p.section = strings.Trim(line, "[]")
		return nil
	}
	word, rest, _ := strings.Cut(line, " ")
	name, body, ok := strings.Cut(rest, ": ")
	if word == "file" {
		p.files[name] = proto3(body)
		return nil
	}
	writer, reader, two := strings.Cut(body, " => ")
	if !ok || !two || word != "yes" && word != "no" {
		return fmt.Errorf("neither yes nor no, a name and two schemas")
	}
	p.add(Published{Name: name, Type: p.kind, Writer: writer, Reader: reader, Files: p.files, Readable: word == "yes"})
	return nil
}

// The dialects of JSON Schema in which verdicts are given.
const (
	draft7    = "http://json-schema.org/draft-07/schema#"
	draft2020 = "https://json-schema.org/draft/2020-12/schema"
)

// add adds a verdict for each dialect that it holds for.
func (p *publishedTable) add(v Published) {
	switch p.kind {
	case "JSON":
		if p.section != "draft 2020-12" {
			p.out = append(p.out, v.in(draft7, "draft 7"))
		}
		if p.section != "draft 7" {
			p.out = append(p.out, v.in(draft2020, "draft 2020-12"))
		}
	case "PROTOBUF":
		v.Writer, v.Reader = proto3(v.Writer), proto3(v.Reader)
		p.out = append(p.out, v)
	default:
		p.out = append(p.out, v)
	}
}

// in is the verdict with schemas that name a dialect.
func (v Published) in(dialect, name string) Published {
	v.Dialect, v.Name = dialect, v.Name+", "+name
	for _, schema := range []*string{&v.Writer, &v.Reader} {
		rest := "," + strings.TrimPrefix(*schema, "{")
		if *schema == "{}" {
			rest = "}"
		}
		*schema = `{"$schema":"` + dialect + `"` + rest
	}
	return v
}

func proto3(text string) string {
	if strings.HasPrefix(text, "syntax") {
		return text
	}
	return `syntax = "proto3"; ` + text
}

// published makes a case of each verdict, and one of all that are in a dialect that Apicurio does not know. Those on
// which it says the opposite are listed in a file of their own.
func published() []testCase {
	differs := apicurioDiffers()
	var out []testCase
	var newest []Published
	for _, v := range AllPublished() {
		if v.Dialect == draft2020 {
			newest = append(newest, v)
			continue
		}
		c := testCase{name: strings.ToLower(v.Type) + " verdict: " + v.Name, check: func(r *registry) { v.check(r, v.Readable) }}
		if why, ok := differs[v.Type+" "+v.Name]; ok {
			delete(differs, v.Type+" "+v.Name)
			c = c.but(why, func(r *registry) { v.check(r, !v.Readable) })
		}
		out = append(out, c)
	}
	if len(differs) > 0 {
		panic(fmt.Sprintf("apicurio.txt lists what is no verdict: %v", differs))
	}
	return append(out, testCase{name: sprintf("json verdicts: %d in draft 2020-12", len(newest)), check: func(r *registry) {
		for i, v := range newest {
			each := *r
			each.subject += sprintf("-%d", i)
			r.t.Log(v.Name)
			v.check(&each, v.Readable)
		}
	}}.but("draft 2020-12 is not known: its schemas are registered, and to compare them fails with 500", func(r *registry) {
		for i, v := range newest {
			each := *r
			each.subject += sprintf("-%d", i)
			each.register(js(v.Writer))
			each.level("BACKWARD")
			each.fails(each.do("POST", "/compatibility/subjects/SUBJECT/versions/latest", js(v.Reader)), 500, 0)
		}
	}))
}

// check asks whether the reader may follow the writer.
func (v Published) check(r *registry, want bool) {
	r.t.Helper()
	writer, reader := v.request(r, v.Writer), v.request(r, v.Reader)
	r.register(writer)
	r.level("BACKWARD")
	r.equal("verdict", r.compatible(reader, "/latest"), want)
}

// request registers what a schema imports under names of its own, and refers to it.
func (v Published) request(r *registry, text string) schema {
	s := schema{"schema": text, "schemaType": v.Type}
	var references []any
	for _, name := range sortedNames(v.Files) {
		if !strings.Contains(text, `import "`+name+`"`) {
			continue
		}
		imported := *r
		imported.subject = r.subject + "-" + name
		imported.register(schema{"schema": v.Files[name], "schemaType": v.Type})
		references = append(references, map[string]any{"name": name, "subject": imported.subject, "version": 1})
	}
	if references != nil {
		s["references"] = references
	}
	return s
}

func sortedNames(files map[string]string) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// apicurioDiffers reads the verdicts on which Apicurio says the opposite, and why it does.
func apicurioDiffers() map[string]string {
	text, err := publishedFiles.ReadFile("published/apicurio.txt")
	if err != nil {
		panic(err)
	}
	out := map[string]string{}
	why := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "because "):
			why = strings.TrimPrefix(line, "because ")
		default:
			out[line] = why
		}
	}
	return out
}
