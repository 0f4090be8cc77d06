// What @tgwf/co2 0.19 exports from `/data`; the package ships no types.

declare module '@tgwf/co2/data' {
  /** Yearly averages by ISO 3166-1 alpha-3 code or region name, g CO₂e per kWh; 0 stands for a missing value. */
  export const averageIntensity: { readonly data: Readonly<Record<string, number>> };

  interface YearlyIntensities {
    readonly data: Readonly<
      Record<
        string,
        {
          readonly zone: { readonly zoneName: string };
          readonly carbonIntensity: { readonly value: number };
        }
      >
    >;
  }
  /** Electricity Maps' yearly averages by its own zone keys; keyed `yearly2024` and so on. */
  export const electricityMaps: Readonly<Record<string, YearlyIntensities>>;
}
