package definition

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"github.com/suokelife/suokectl/pkg/discover"
)

// Definition is what a file says.
type Definition struct {
	// Consul is the address of Consul as host:port, or "" when the file names none.
	Consul       string
	Registration discover.Registration
}

// Error says where a definition is wrong.
type Error struct {
	Name         string // of the file, as given to Parse
	Line, Column int    // counted from 1
	Message      string
	Err          error // the YAML library's; may be nil
}

// Error is one line: name:line:column: message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Message)
}

// Unwrap returns the YAML library's error.
func (e *Error) Unwrap() error { return e.Err }

// Load reads the file at path. Errors are those of opening and reading it, and *Error.
func Load(path string) (Definition, error) {
	file, err := os.Open(path)
	if err != nil {
		return Definition{}, fmt.Errorf("read the registration: %w", err)
	}
	defer file.Close()
	return Read(path, file)
}

// Read reads the whole of in; name is what errors call it. Errors are those of reading, and those of Parse.
func Read(name string, in io.Reader) (Definition, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err != nil {
		return Definition{}, fmt.Errorf("read the registration: %w", err)
	}
	return Parse(name, text)
}

// Parse reads text; name is what errors call it. Every error is an *Error: text that is no YAML or is more than one
// document, a key that nobody knows or that is there twice, a value of another type, a duration that is none, a
// service without a name, and what discover.Registration.Validate refuses, but for a missing address or port.
func Parse(name string, text []byte) (Definition, error) {
	if len(text) > maxSize {
		return Definition{}, &Error{Name: name, Line: 1, Column: 1, Message: fmt.Sprintf("it is longer than the %d KiB that a registration may have", maxSize>>10)}
	}
	read := reader{fields: map[string]ast.Node{}, anchors: map[string]ast.Node{}}
	if wrong := read.document(text); wrong != nil {
		wrong.Name = name
		return Definition{}, wrong
	}
	if wrong := read.validate(); wrong != nil {
		wrong.Name = name
		return Definition{}, wrong
	}
	return Definition{Consul: read.consul(), Registration: read.registration}, nil
}

// maxSize is far more than a registration needs. What nests as deep as fits takes the parser a second; it is quadratic.
const maxSize = 16 << 10

// defaultPort is that of Consul's HTTP API.
const defaultPort = 8500

func (r *reader) consul() string {
	switch {
	case r.host == "":
		return ""
	case r.port == 0:
		r.port = defaultPort
	}
	return net.JoinHostPort(r.host, strconv.Itoa(r.port))
}

// validate puts what the registration says of itself where it stands in the file.
func (r *reader) validate() *Error {
	registration := r.registration
	if r.fields["address"] == nil {
		registration.Address = "given-later"
	}
	if r.fields["port"] == nil {
		registration.Port = defaultPort
	}
	var wrong *discover.RegistrationError
	if err := registration.Validate(); !errors.As(err, &wrong) {
		return nil
	}
	at := r.fields[wrong.Field]
	if at == nil {
		at = r.fields["service"]
	}
	return locate(at, "%s", wrong.Reason)
}
