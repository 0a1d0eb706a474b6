package registry

import (
	"embed"
	"fmt"
	"strings"
)

// Published is a verdict that a registry's makers hold it to by tests that they publish.
type Published struct {
	// Name says what changes; unique within its type.
	Name string
	// Type is AVRO, JSON or PROTOBUF.
	Type string
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

const draft2020 = "https://json-schema.org/draft/2020-12/schema"

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

// add adds a verdict for each dialect that it holds for.
func (p *publishedTable) add(v Published) {
	if p.kind == "PROTOBUF" {
		v.Writer, v.Reader = proto3(v.Writer), proto3(v.Reader)
	}
	if p.section == "draft 7" || p.section == "both" {
		draft7 := v
		draft7.Name += ", draft 7"
		p.out = append(p.out, draft7)
	}
	if p.section == "draft 2020-12" || p.section == "both" {
		v.Name += ", draft 2020-12"
		v.Writer, v.Reader = inDraft2020(v.Writer), inDraft2020(v.Reader)
	}
	if p.section != "draft 7" {
		p.out = append(p.out, v)
	}
}

func inDraft2020(schema string) string {
	head := `{"$schema":"` + draft2020 + `"`
	if schema == "{}" {
		return head + "}"
	}
	return head + "," + strings.TrimPrefix(schema, "{")
}

func proto3(text string) string {
	if strings.HasPrefix(text, "syntax") {
		return text
	}
	return `syntax = "proto3"; ` + text
}
