// Package resilience keeps one failure from becoming many. It knows no
// transport: callers judge errors, the package waits, counts and stops.
//
//   - A service says what failed, and whether a retry makes sense, by a
//     [ServiceError]; [TemporaryError], [PermanentError] and
//     [UnavailableError] are its kinds (E1).
//   - [Do] runs a function until it succeeds, until the error is final, until
//     the tries are used up, until the [Budget] is spent or until the context
//     ends, whichever comes first (E2). Its error is a [*RetryError] that lists
//     every try.
//   - A [Breaker] refuses calls to what has just failed again and again, and
//     lets a few probes through after a while (B1).
//   - [WithFallback] answers errors of one type by another function (B2).
//
// They nest from the outside in: fallback, retry, breaker, the call. The one
// clock is the time package's, so testing/synctest controls every wait; no
// function here starts a goroutine.
package resilience
