// Package iostreams is the program's only way to the terminal.
//
// stdout carries data and nothing else; talk, progress and hints go to
// stderr. Nothing is coloured off a TTY, and NO_COLOR, CLICOLOR_FORCE and
// TERM=dumb are honoured. Text that came over the network is cleaned of
// control and bidirectional-override characters before a TTY sees it, and is
// left alone elsewhere, so that a pipe always gets the bytes that were sent.
//
// Commands take an *IOStreams from the factory; tests take one from Test,
// which is a set of buffers that can play a terminal of any width.
package iostreams
