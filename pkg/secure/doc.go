// Package secure lets services know one another and keeps what they say private.
//
//   - Service tokens (A1). A [TokenSource] signs them with a [Key] and reuses one
//     until shortly before its end; [CallCredentials] put it on every gRPC call.
//     A [Verifier] checks them, and [Verifier.Admit] puts the caller's [Claims]
//     into the context, where [Caller] finds them.
//   - Mutual TLS (A2). [ClientTLS] and [ServerTLS] read PEM files, and read them
//     again when they have changed; [Peers] says whom to talk to by SPIFFE URI or
//     DNS name.
//   - Fields (C1). [Key.Encrypt] and [KeySet.Decrypt] are the specification's
//     RSA-OAEP, [Key.EncryptHybrid] the form for what is longer, and
//     [MapFields] applies them to strings inside a JSON text.
//
// Keys are rotated by files: a [KeyFile] is looked at again, at most once a
// second and only when it is used, so there is no goroutine to own, and renames,
// symlinks and network file systems work. Several keys are good at once; a token
// and a hybrid ciphertext name theirs. Put a new public key where it is checked
// a few seconds before its private half where it signs.
//
// No error, and nothing that is printed, has a token or a key in it.
//
// The package links no gRPC. The times of tokens and files come from the time
// package unless a Now is given.
package secure
