{{/* Heads of the policies. */}}

{{/* Takes (list . component), and annotations if there are any. */}}
{{- define "cointide.policy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "cointide.fullname" (index . 0) }}-{{ index . 1 }}
  labels:
    {{- include "cointide.labels" (list (index . 0) "network") | nindent 4 }}
  {{- if gt (len .) 2 }}
  annotations:
    {{- toYaml (index . 2) | nindent 4 }}
  {{- end }}
spec:
{{- end }}

{{- define "cointide.ofRelease" -}}
app.kubernetes.io/name: {{ include "cointide.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cointide.toCassandra" }}
  policyTypes: [Egress]
  egress:
    - ports:
        {{- $ports := list }}
        {{- range $point := .Values.cassandra.contactPoints }}
        {{- $ports = append $ports (regexFind ":[0-9]+$" $point | trimPrefix ":" | default "9042" | int) }}
        {{- end }}
        {{- range $port := concat $ports .Values.networkPolicy.cassandraPorts | uniq }}
        - {port: {{ int $port }}, protocol: TCP}
        {{- end }}
      {{- with .Values.networkPolicy.cassandraPeers }}
      to: {{ toYaml . | nindent 8 }}
      {{- end }}
{{- end }}

{{- define "cointide.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{ toJson .Values.networkPolicy.privateNetworks }}
- ipBlock:
    cidr: ::/0
    except: ["fc00::/7", "fe80::/10"]
{{- end }}
