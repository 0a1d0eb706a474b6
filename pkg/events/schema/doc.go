// Package schema talks to a schema registry that speaks Confluent's REST API, and holds events to what is registered
// there (K6 of the specification).
//
// The subject of a topic is its name with [spec.SubjectSuffix]. A schema describes either the whole event, envelope
// and all, or its data only; which of the two is found out by its fields: one that names both meta and data describes
// the whole. [Config.Scope] says it where that guess would be wrong.
//
// Events are plain JSON. An Avro schema is therefore matched as Avro's Python library does it, and not as Avro's JSON
// encoding would have it: a union holds the bare value, bytes are text with code points up to 255, and a field may be
// missing when it has a default or takes null. Fields that the schema does not know are refused.
//
// Schemas are kept in memory: a numbered version for ever, the latest and the absence of a subject for [Config.MaxAge].
// A subject that is not there leaves an event unvalidated and is reported; a registry that does not answer is an error,
// since nobody can say then whether the event is valid.
package schema
