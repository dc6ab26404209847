{{/* Refuses names that no value has, and says which one may have been meant. */}}

{{/* names: the tree of known names; values; at: where they are. One complaint a line. */}}
{{- define "mesh.unknownNames" -}}
{{- range $name, $value := .values }}
  {{- if or (hasKey $.names $name) (hasKey $.names "*") }}
    {{- $below := hasKey $.names $name | ternary (get $.names $name) (get $.names "*") }}
    {{- if and (kindIs "map" $below) (kindIs "map" $value) }}
      {{- include "mesh.unknownNames" (dict "names" $below "values" $value "at" (printf "%s%s." $.at $name)) }}
    {{- end }}
  {{- else }}
    {{- printf "%s%s is unknown; " $.at $name }}
    {{- $near := include "mesh.nearestName" (dict "name" $name "names" $.names) }}
    {{- if $near }}{{ printf "did you mean %s%s?\n" $.at $near }}
    {{- else }}{{ printf "known here: %s\n" (keys $.names | sortAlpha | join ", ") }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* name, names: the one that shares most pairs of letters, if it shares enough. */}}
{{- define "mesh.nearestName" -}}
{{- $best := "" }}
{{- $most := 400 }}
{{- range $known, $below := .names }}
  {{- $alike := include "mesh.alike" (dict "one" $.name "other" $known) | int }}
  {{- if gt $alike $most }}
    {{- $best = $known }}
    {{- $most = $alike }}
  {{- end }}
{{- end }}
{{- $best }}
{{- end -}}

{{/* one, other: how many of a thousand pairs of letters they share. */}}
{{- define "mesh.alike" -}}
{{- $one := printf "^%s$" (lower .one) }}
{{- $other := printf "^%s$" (lower .other) }}
{{- $shared := 0 }}
{{- range $at := until (int (sub (len $one) 1)) }}
  {{- if contains (substr $at (int (add $at 2)) $one) $other }}
    {{- $shared = add $shared 1 }}
  {{- end }}
{{- end }}
{{- div (mul 2000 $shared) (sub (add (len $one) (len $other)) 2) }}
{{- end -}}
