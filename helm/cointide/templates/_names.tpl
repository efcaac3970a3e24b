{{/* Names and labels. */}}

{{- define "cointide.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Of 34 letters at most: a StatefulSet's name may have 52, since Kubernetes puts ten more behind
it in a label of its pods, and `-archive-cassandra` takes 18 of them. */}}
{{- define "cointide.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 34 | trimSuffix "-" -}}
{{- else if contains (include "cointide.name" .) .Release.Name -}}
{{- .Release.Name | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "cointide.name" .) | trunc 34 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which things are found; they never change. Takes (list . component). */}}
{{- define "cointide.selector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ include "cointide.name" $top }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object. Takes (list . component). */}}
{{- define "cointide.labels" -}}
{{- $top := index . 0 -}}
{{ include "cointide.selector" . }}
app.kubernetes.io/part-of: cointide
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* All labels of a pod; without the chart's version, which would start every pod anew. */}}
{{- define "cointide.podLabels" -}}
{{- $top := index . 0 -}}
{{ include "cointide.selector" . }}
app.kubernetes.io/part-of: cointide
{{- with $top.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What stands in `metadata` of every pod. Takes (list . component), and annotations of its own. */}}
{{- define "cointide.podMetadata" -}}
{{- $own := ternary (last .) dict (gt (len .) 2) -}}
labels:
  {{- include "cointide.podLabels" . | nindent 2 }}
{{- with merge (deepCopy $own) (index . 0).Values.podAnnotations }}
annotations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "cointide.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "cointide.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cointide.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cointide.brokers" -}}
{{- if .Values.trialKafka.enabled -}}
{{ include "cointide.fullname" . }}-kafka:9092
{{- else -}}
{{ join "," .Values.kafka.brokers }}
{{- end -}}
{{- end -}}

{{- define "cointide.apiKeysSecret" -}}
{{- default (printf "%s-api-keys" (include "cointide.fullname" .)) .Values.gateway.apiKeys.existingSecret -}}
{{- end -}}

{{/* The agents that are run, as a YAML list of names. */}}
{{- define "cointide.agents" -}}
{{- $top := . -}}
{{- range $name := keys .Values.agents | sortAlpha }}
{{- if and (index $top.Values.agents $name).enabled (or (ne $name "ingestion") (ne $top.Values.source "none")) }}
- {{ $name }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A name that changes with what it stands for: a Job cannot be changed. Takes (list name text). */}}
{{- define "cointide.named" -}}
{{ index . 0 }}-{{ index . 1 | sha256sum | trunc 8 }}
{{- end -}}
