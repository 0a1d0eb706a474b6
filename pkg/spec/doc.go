// Package spec is the communication specification as Go values: how topics are
// named, how an event is wrapped, what a dead letter carries, what request
// metadata is called, and every number that the specification writes down. It
// imports only the standard library and does no input or output, so that
// everything else can stand on it.
//
// Names differ between organisations, so what depends on them hangs on a
// [Conventions] value. [Default] is the specification's own:
//
//	c := spec.Default()
//	topic, err := c.ParseTopic("prod.auth-service.user-registered.v1")
//
// # Topics
//
// A topic is named {env}.{service}.{event}.{version}. [Conventions.ParseTopic]
// takes a name apart, [Conventions.BuildTopic] makes one, [MatchTopic] matches
// patterns, and [Conventions.ExplainTopic] tells what a topic is for. What is
// wrong with a name is a [*TopicError]: each part, what stands there, what
// would be right, and the name that was probably meant.
//
// # Events
//
// An event is {"meta": {…}, "data": …}. [Conventions.ParseEvent] reads meta and
// leaves data alone: its bytes are handed on as they are. What is wrong is an
// [*EnvelopeError] that names each field and, for times, the line of Python
// that makes such a one.
//
// # Dead letters
//
// An event that failed gets three more fields in meta, by
// [Conventions.AddDeadLetter]. They are spliced into the text, so nothing else
// in it changes, and [Conventions.StripDeadLetter] gives back the very bytes
// that there were: numbers, spaces, escapes, order and duplicates of names.
package spec
