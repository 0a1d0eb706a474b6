package app

// areas holds the clients of each area, made once. A field's maker is in the
// file of its area.
type areas struct{}
