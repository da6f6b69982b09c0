package rest

import (
	"reflect"
	"testing"

	"imreport/internal/i18n"
)

func TestTypesOfOneNameAreTwoComponents(t *testing.T) {
	s := &schemas{lang: i18n.English, named: object{}, types: map[string]reflect.Type{}}
	a, b := s.of(reflect.TypeFor[thingDocOfPackage]()), s.of(reflect.TypeFor[thingDoc]())
	again := s.of(reflect.TypeFor[thingDoc]())
	if a["$ref"] != "#/components/schemas/ThingDocOfPackage" || b["$ref"] != "#/components/schemas/Thing" || again["$ref"] != b["$ref"] {
		t.Errorf("%v %v %v", a, b, again)
	}
	s.types["Thing"] = reflect.TypeFor[thingDocOfPackage]() // as if another package had been first
	if c := s.of(reflect.TypeFor[thingDoc]()); c["$ref"] != "#/components/schemas/RestThing" {
		t.Errorf("%v", c)
	}
	s.types["PageOfThing"] = reflect.TypeFor[thingDocOfPackage]()
	if c := s.of(reflect.TypeFor[Page[thingDoc]]()); c["$ref"] != "#/components/schemas/RestPageOfThing" {
		t.Errorf("%v", c)
	}
}

type thingDocOfPackage struct {
	ID string `json:"id"`
}
