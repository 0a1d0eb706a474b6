// Package lint finds what breaks the communication specification in files:
// protos, topic names, events. It is the engine; each kind of thing that is
// linted is a sub-package that offers a [Kind], and whoever composes them
// passes the kinds in.
//
// A run has three steps. [Load] reads files, or folders of them, and keeps what
// some kind recognises by its content. [Run] lets each kind check its files and
// gathers a [Report]: the findings that no inline ignore covers, and the ignores
// that covered nothing. [Report.WriteText], [Report.WriteJSON] and
// [Report.WriteSARIF] write it.
//
// Positions are byte offsets into the file; lines and columns are derived from
// them. Columns count bytes from 1, but for SARIF, which counts UTF-16 units.
//
// Rules that buf has too carry buf's ids, so that configurations and inline
// ignores work with both:
//
//	// buf:lint:ignore FIELD_LOWER_SNAKE_CASE
//	// suokectl:ignore FIELD_SECRET_COMMENT,COMMENT_DETAILED the mobile client logs none of it
//
// Nothing in here uses the network.
package lint
