// Package resilience repeats what failed for a moment and leaves alone what
// failed for good. It knows no transport: the caller judges errors, the package
// waits, counts and stops.
//
// [Do] runs a function until it succeeds, until the error is final, until the
// tries are used up, until the [Budget] is spent or until the context ends,
// whichever comes first. Its error is a [*RetryError] that lists every try.
package resilience
