package registry

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	events "github.com/suokelife/suokectl/pkg/events/schema"
)

const (
	contentType = "application/vnd.schemaregistry.v1+json"
	maxBody     = 4 << 20
)

// newHandler routes the REST API to the store. A handler returns what is sent as JSON, or an *apiError.
func newHandler(s *store) http.Handler {
	api := api{s}
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /subjects":                                             api.subjects,
		"POST /subjects/{subject}":                                  api.lookUp,
		"DELETE /subjects/{subject}":                                api.deleteSubject,
		"GET /subjects/{subject}/versions":                          api.versions,
		"POST /subjects/{subject}/versions":                         api.register,
		"GET /subjects/{subject}/versions/{version}":                api.version,
		"DELETE /subjects/{subject}/versions/{version}":             api.deleteVersion,
		"GET /schemas/types":                                        api.types,
		"GET /schemas/ids/{id}":                                     api.schema,
		"GET /schemas/ids/{id}/versions":                            api.usesOf,
		"GET /subjects/{subject}/versions/{version}/referencedby":   api.referencedBy,
		"GET /config":                                               api.globalLevel,
		"PUT /config":                                               api.setGlobalLevel,
		"GET /config/{subject}":                                     api.level,
		"PUT /config/{subject}":                                     api.setLevel,
		"DELETE /config/{subject}":                                  api.dropLevel,
		"GET /mode":                                                 api.mode,
		"POST /compatibility/subjects/{subject}/versions":           api.compatible,
		"POST /compatibility/subjects/{subject}/versions/{version}": api.compatible,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			answer, err := handle(r)
			respond(w, answer, err)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		respond(w, nil, fail(http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found: %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func respond(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", contentType)
	if err == nil {
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	var known *apiError
	if !errors.As(err, &known) {
		known = fail(http.StatusInternalServerError, 50001, "%v", err)
	}
	w.WriteHeader(known.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error_code": known.code, "message": known.message})
}

type api struct{ *store }

func (a api) subjects(r *http.Request) (any, error) { return a.names(flag(r, "deleted")), nil }

func (a api) types(*http.Request) (any, error) {
	return []events.Type{events.JSON, events.Protobuf, events.Avro}, nil
}

func (a api) mode(*http.Request) (any, error) { return map[string]string{"mode": "READWRITE"}, nil }

func (a api) register(r *http.Request) (any, error) {
	candidate, err := a.readSchema(r)
	if err != nil {
		return nil, err
	}
	id, err := a.store.register(r.PathValue("subject"), candidate)
	return map[string]int{"id": id}, err
}

func (a api) lookUp(r *http.Request) (any, error) {
	candidate, err := a.readSchema(r)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("subject")
	versions, err := a.store.versions(name, flag(r, "deleted"))
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		if v.schema.same(candidate) {
			return describe(name, v), nil
		}
	}
	return nil, schemaNotFound()
}

func (a api) versions(r *http.Request) (any, error) {
	versions, err := a.store.versions(r.PathValue("subject"), flag(r, "deleted"))
	numbers := make([]int, len(versions))
	for i, v := range versions {
		numbers[i] = v.number
	}
	return numbers, err
}

func (a api) version(r *http.Request) (any, error) {
	name := r.PathValue("subject")
	v, err := a.store.version(name, r.PathValue("version"), flag(r, "deleted"))
	if err != nil {
		return nil, err
	}
	return describe(name, v), nil
}

func (a api) deleteSubject(r *http.Request) (any, error) {
	return a.store.deleteSubject(r.PathValue("subject"), flag(r, "permanent"))
}

func (a api) deleteVersion(r *http.Request) (any, error) {
	return a.store.deleteVersion(r.PathValue("subject"), r.PathValue("version"), flag(r, "permanent"))
}

func (a api) schema(r *http.Request) (any, error) {
	s, err := a.byID(r)
	if err != nil {
		return nil, err
	}
	return withType(map[string]any{"schema": s.text}, s), nil
}

func (a api) usesOf(r *http.Request) (any, error) {
	s, err := a.byID(r)
	if err != nil {
		return nil, err
	}
	type use struct {
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	uses := []use{}
	for _, name := range a.names(false) {
		versions, _ := a.store.versions(name, false)
		for _, v := range versions {
			if v.schema.same(s) {
				uses = append(uses, use{name, v.number})
			}
		}
	}
	return uses, nil
}

func (a api) byID(r *http.Request) (*schema, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil, fail(http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found")
	}
	return a.store.schema(id)
}

func (a api) globalLevel(*http.Request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]events.Mode{"compatibilityLevel": a.global}, nil
}

func (a api) setGlobalLevel(r *http.Request) (any, error) {
	l, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.global = l
	return map[string]events.Mode{"compatibility": l}, nil
}

func (a api) level(r *http.Request) (any, error) {
	name := r.PathValue("subject")
	a.mu.Lock()
	defer a.mu.Unlock()
	if l, ok := a.own[name]; ok {
		return map[string]events.Mode{"compatibilityLevel": l}, nil
	}
	if flag(r, "defaultToGlobal") {
		return map[string]events.Mode{"compatibilityLevel": a.global}, nil
	}
	return nil, noLevelOfItsOwn(name)
}

func (a api) setLevel(r *http.Request) (any, error) {
	l, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.own[r.PathValue("subject")] = l
	return map[string]events.Mode{"compatibility": l}, nil
}

func (a api) dropLevel(r *http.Request) (any, error) {
	name := r.PathValue("subject")
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.own[name]
	if !ok {
		return nil, subjectNotFound(name)
	}
	delete(a.own, name)
	return map[string]events.Mode{"compatibilityLevel": l}, nil
}

func (a api) compatible(r *http.Request) (any, error) {
	candidate, err := a.readSchema(r)
	if err != nil {
		return nil, err
	}
	why, err := a.store.compatible(r.PathValue("subject"), r.PathValue("version"), candidate)
	if err != nil {
		return nil, err
	}
	verdict := map[string]any{"is_compatible": len(why) == 0}
	if flag(r, "verbose") {
		verdict["messages"] = append([]string{}, why...)
	}
	return verdict, nil
}

func describe(name string, v *version) any {
	return withType(map[string]any{"subject": name, "version": v.number, "id": v.id, "schema": v.schema.text}, v.schema)
}

// withType leaves AVRO out, and references when there are none, as the API does.
func withType(answer map[string]any, s *schema) any {
	if s.kind != events.Avro {
		answer["schemaType"] = s.kind
	}
	if len(s.references) > 0 {
		answer["references"] = s.references
	}
	return answer
}

func (a api) readSchema(r *http.Request) (*schema, error) {
	var body struct {
		Schema     string             `json:"schema"`
		SchemaType events.Type        `json:"schemaType"`
		References []events.Reference `json:"references"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, invalidSchema("the request is not a JSON object: %v", err)
	}
	if body.Schema == "" {
		return nil, invalidSchema("Empty schema")
	}
	imports, err := a.resolve(body.References)
	if err != nil {
		return nil, err
	}
	return parseSchema(body.SchemaType, body.Schema, body.References, imports)
}

// resolve finds what references name, those of theirs before them.
func (a api) resolve(references []events.Reference) ([]events.Import, error) {
	var imports []events.Import
	for _, reference := range references {
		v, err := a.store.version(reference.Subject, strconv.Itoa(reference.Version), true)
		if err != nil {
			return nil, invalidSchema("No schema reference found for subject %q and version %d", reference.Subject, reference.Version)
		}
		imports = append(imports, v.schema.imports...)
		imports = append(imports, events.Import{Name: reference.Name, Text: v.schema.text})
	}
	return imports, nil
}

func (a api) referencedBy(r *http.Request) (any, error) {
	name := r.PathValue("subject")
	v, err := a.store.version(name, r.PathValue("version"), true)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.referrers(name, v.number), nil
}

func readLevel(r *http.Request) (events.Mode, error) {
	var body struct {
		Compatibility string `json:"compatibility"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return "", invalidLevel("")
	}
	mode, err := events.ParseMode(body.Compatibility)
	if err != nil {
		return "", invalidLevel(body.Compatibility)
	}
	return mode, nil
}

func flag(r *http.Request, name string) bool { return r.URL.Query().Get(name) == "true" }
