// Package output prints objects: as a table for people, as JSON, NDJSON or
// YAML for programs, as bare names for shells, and through jq expressions or
// Go templates for everything in between.
//
// A verb describes its objects once, in a View; their JSON tags are the
// contract that -o json documents. Everything that is written to stdout goes
// through here or through iostreams.
package output
