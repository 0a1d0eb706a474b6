// Package schema talks to a schema registry that speaks Confluent's REST API, and holds events to what is registered
// there (K6 of the specification).
//
// The subject of a topic is its name with [spec.SubjectSuffix]. A schema describes either the whole event, envelope
// and all, or its data only; which of the two is found out by its fields: one that names both meta and data describes
// the whole. [Config.Scope] says it where that guess would be wrong.
//
// # Values
//
// Events are plain JSON. An Avro schema is therefore matched as Avro's Python library does it, and not as Avro's JSON
// encoding would have it: a union holds the bare value, bytes are text with code points up to 255, and a field may be
// missing when it has a default or takes null. Fields that the schema does not know are refused. A Protobuf schema is
// matched by Protobuf's JSON mapping, an event being the first message of its file.
//
// [Registry.Encode] writes the wire format of Confluent's clients instead: a magic byte, the schema's id, the indexes of
// the message in Protobuf, and the event in Avro, Protobuf or JSON. [Registry.Decode] reads it. Neither passes for the
// other: a framed value is not valid where plain JSON is wanted, and plain JSON is [ErrNotFramed].
//
// # Compatibility
//
// [Incompatible] decides all seven modes without a registry, for Avro, JSON Schema and Protobuf, and says at which
// path. One schema reads another when everything that is valid by the other is valid by it, with these exceptions,
// where it judges as Confluent's registry does:
//
//   - JSON Schema: a property that becomes required is read when it has a default; a required name that nobody
//     describes is not judged; a sum (oneOf) may get a branch that overlaps with others.
//   - Protobuf: text and bytes are read as one another; numbers of one encoding are, cut off where they are too large;
//     a list is read as its last value. A message, or a member of a oneof, that is gone is refused, though it can be
//     read.
//
// It is stricter than that registry where the registry does not look: patternProperties, propertyNames, contains, if,
// format (in drafts that make it a demand), a type that is demanded of what was free, a number that becomes a list, and
// the precision of Avro's decimals.
//
// # What is remembered
//
// The schema of an id, and a numbered version, are kept for ever, the latest and the absence of a subject for
// [Config.MaxAge]; [Config.CacheDir] keeps ids and the latest on disk too. A subject that is not there leaves an event
// unvalidated and is reported; a registry that does not answer is an error, since nobody can say then whether the event
// is valid.
package schema
